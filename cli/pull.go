package cli

import (
	"github.com/urfave/cli/v3"

	"qme/tasks"
)

func (cmd *shareCommand) pull() *cli.Command {
	return cmd.command("pull", "get tasks from a remote", `It merges the remote's history into the local one. No question is asked, and no run is
lost. Every object is checked before anything is merged.

Examples:
  qme pull
  qme pull lab --dry-run
  qme pull --skip-invalid`, (*tasks.Service).Pull)
}
