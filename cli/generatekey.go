package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"qme/dashboard"
)

// keyVariable names the environment variable that holds the dashboard's key.
const keyVariable = "QME_SERVER_KEY"

func (a *app) generateKeyCommand() *cli.Command {
	return &cli.Command{
		Name:  "generate-key",
		Usage: "make a new key for the dashboard",
		Description: `The key that "qme start" asks for is kept in the home, readable by you alone. A new
one is made and printed; the one before is of no use once "qme start" is started
again. The variable QME_SERVER_KEY goes before the file.

Example:
  qme generate-key`,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			return a.generateKey()
		},
	}
}

func (a *app) generateKey() error {
	home, err := a.homeDir()
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
		a.note("qme: %s is set, and goes before this key", keyVariable)
	}
	_, err = fmt.Fprintln(a.out, key)
	return outputError(err)
}
