package cli

import (
	"context"

	"github.com/urfave/cli/v3"

	"qme/queue"
)

func (a *app) rerunCommand() *cli.Command {
	return &cli.Command{
		Name:      "rerun",
		Usage:     "run a task again, in the same directory",
		ArgsUsage: "[TASK]",
		Description: `The task keeps its id, and its earlier runs: see "qme log" and "qme diff".
Without TASK it is the one that was updated last.

Examples:
  qme rerun
  qme rerun 019aaf3c
  qme -m "with more memory" rerun @2`,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			if _, err := a.runConfig(); err != nil {
				return err
			}
			q, err := a.queue()
			if err != nil {
				return err
			}
			rep, err := q.Rerun(ctx, c.Args().First(), queue.RunOptions{Message: a.message, Quiet: a.quiet})
			if err != nil {
				return err
			}
			return a.finishRun(rep)
		},
	}
}
