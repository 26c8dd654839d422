package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/afero"
	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/record"
)

// distrusted returns the reason why programs named in the configuration of a history must
// not be run, "" if they may.
func distrusted(dir string) string {
	return config.Untrusted(afero.NewOsFs(), filepath.Dir(dir), filepath.Join(dir, "config"))
}

type gitCommand struct {
	home *home
}

func (cmd *gitCommand) command() *cli.Command {
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
				return cli.ShowCommandHelp(ctx, c.Root(), c.Name) // for git's own help: qme git help
			}
			s, err := cmd.home.openStore()
			if err != nil {
				return err
			}
			// git itself does not check this if the repository is given explicitly.
			if why := distrusted(s.Dir()); why != "" {
				return fmt.Errorf("%s, and git runs what its configuration says: %w", why, record.ErrConflict)
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
