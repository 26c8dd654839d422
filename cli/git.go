package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/urfave/cli/v3"
)

func (a *app) gitCommand() *cli.Command {
	return &cli.Command{
		Name:            "git",
		Usage:           "run git on the history",
		ArgsUsage:       "ARG…",
		SkipFlagParsing: true,
		Description: `Examples:
  qme git log --oneline
  qme git log -p -1
  qme git fsck`,
		Action: func(ctx context.Context, c *cli.Command) error {
			if args := c.Args().Slice(); len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return cli.ShowCommandHelp(ctx, c.Root(), c.Name) // git's own: qme git help
			}
			s, err := a.openStore()
			if err != nil {
				return err
			}
			git, err := exec.LookPath("git")
			if errors.Is(err, exec.ErrNotFound) {
				return &codeError{127, fmt.Errorf("the git program is not installed; qme itself does without it")}
			} else if err != nil {
				return &codeError{126, err}
			}
			argv := append([]string{"git", "--git-dir=" + s.Dir()}, c.Args().Slice()...)
			return fmt.Errorf("start %s: %w", git, syscall.Exec(git, argv, os.Environ()))
		},
	}
}
