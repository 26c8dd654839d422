package cli

import (
	"context"

	"qme/tasks"

	"github.com/urfave/cli/v3"
)

type cancelCommand struct {
	term *terminal
	home *home
}

func (cmd *cancelCommand) command() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "end a running task",
		ArgsUsage: "TASK",
		Description: `Its processes get SIGTERM. Processes that are left after the time in the setting
cancel.grace get SIGKILL. The record then says "cancelled". If the command has ended
but its job has not, the job is cancelled, as by "qme exec TASK cancel".

Examples:
  qme cancel 019aaf3c
  qme cancel @1`,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			if c.Args().Len() == 0 {
				return &usageError{msg: "cancel which task?", help: "qme ls --active"}
			}
			q, err := cmd.home.history(ctx)
			if err != nil {
				return err
			}
			v, err := q.Find(c.Args().First())
			if err != nil {
				return err
			}
			taken(cmd.term, c.Args().First(), v.Record)
			job, err := cmd.home.cancel(ctx, q, v, tasks.Acting{Out: cmd.term.out, Err: notesTo{cmd.term},
				Confirm: func(f *tasks.ForeignError) error { return confirmAction(ctx, cmd.term, v.Record, f, false) }})
			if err == nil && !job {
				cmd.term.note("Task %s is being cancelled.", v.Record.UID)
			}
			return err
		},
	}
}
