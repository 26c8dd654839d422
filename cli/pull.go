package cli

import (
	"github.com/urfave/cli/v3"

	"qme/tasks"
)

func (a *app) pullCommand() *cli.Command {
	return a.shareCommand("pull", "get tasks from a remote", `What the remote has is merged with what is here: nothing is asked and nothing is
lost. Everything is checked before any of it gets in.

Examples:
  qme pull
  qme pull lab --dry-run
  qme pull --skip-invalid`, (*tasks.Service).Pull)
}
