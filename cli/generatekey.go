package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"qme/dashboard"
)

// keyVariable is the environment variable that holds the key of the dashboard.
const keyVariable = "QME_SERVER_KEY"

type generateKeyCommand struct {
	term     *terminal
	settings *settings
}

func (cmd *generateKeyCommand) command() *cli.Command {
	return &cli.Command{
		Name:  "generate-key",
		Usage: "make a new key for the dashboard",
		Description: `The key of the dashboard is stored in the home, readable only by you. This command
makes a new key and prints it. The previous key becomes invalid at the next
"qme start". The variable QME_SERVER_KEY overrides the file.

Example:
  qme generate-key`,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			return cmd.run()
		},
	}
}

func (cmd *generateKeyCommand) run() error {
	home, err := cmd.settings.homeDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	key, err := dashboard.SaveKey(home, dashboard.NewKey())
	if err != nil {
		return err
	}
	if os.Getenv(keyVariable) != "" {
		cmd.term.note("qme: %s is set, and goes before this key", keyVariable)
	}
	_, err = fmt.Fprintln(cmd.term.out, key)
	return outputError(err)
}
