package cli

import (
	"context"

	"github.com/urfave/cli/v3"
)

// releaseHost lets this machine start what was added on another one.
func (cmd *queueCommand) releaseHost(ctx context.Context, c *cli.Command, o *queueOptions, _ []string) error {
	if !c.IsSet("host") {
		return queueUsage("release needs --host NAME, a machine that will not come back; \"qme release TASK\" lets a task start that is held")
	}
	all, err := cmd.open(ctx)
	if err != nil {
		return err
	}
	ids, err := all.ReleasePlace(ctx, o.host)
	if len(ids) > 0 {
		cmd.term.note("%s can start here now.", count(len(ids), "task"))
	} else if err == nil {
		cmd.term.note("No task waits for %s.", o.host)
	}
	return err
}
