package cli

import (
	"context"

	"github.com/urfave/cli/v3"
)

func (a *app) cancelCommand() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "end a task that is running",
		ArgsUsage: "TASK",
		Description: `Its processes get SIGTERM and, those that are left after the setting
cancel.grace, SIGKILL. The record then says "cancelled".

Examples:
  qme cancel 019aaf3c
  qme cancel @1`,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			if c.Args().Len() == 0 {
				return &usageError{msg: "cancel which task?", help: "qme ls --running"}
			}
			q, err := a.history(ctx)
			if err != nil {
				return err
			}
			v, err := q.Find(c.Args().First())
			if err != nil {
				return err
			}
			a.taken(c.Args().First(), v.Record)
			id, err := q.Cancel(string(v.Record.UID))
			if err != nil {
				return err
			}
			a.note("Task %s is being cancelled.", id)
			return nil
		},
	}
}
