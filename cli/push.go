package cli

import (
	"github.com/urfave/cli/v3"

	"qme/tasks"
)

func (cmd *shareCommand) push() *cli.Command {
	return cmd.command("push", "send tasks to a remote", `If the remote has runs that are not here yet, they are pulled and merged first.

Examples:
  qme push
  qme push lab
  qme push --dry-run`, (*tasks.Service).Push)
}
