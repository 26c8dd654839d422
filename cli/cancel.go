package cli

import (
	"context"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/record"
)

func (a *app) cancelCommand() *cli.Command {
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
			offers, err := a.cancelsJob(v.Record)
			if err != nil {
				return err
			}
			if offers {
				return a.exec(ctx, []string{string(v.Record.UID), "cancel"}, nil)
			}
			id, err := q.Cancel(string(v.Record.UID))
			if err != nil {
				return err
			}
			a.note("Task %s is being cancelled.", id)
			return nil
		},
	}
}

// cancelsJob reports whether the command of a task has ended, its job goes on, and its
// executor can cancel that.
func (a *app) cancelsJob(rec *record.Record) (bool, error) {
	if rec.Data.Status == record.Running || !rec.Active() {
		return false, nil
	}
	cfg, err := a.config()
	if err != nil {
		return false, err
	}
	e, ok := a.executors(cfg).Get(rec.Executor)
	if !ok {
		return false, nil
	}
	_, err = executor.Find(e, "cancel")
	return err == nil, nil
}
