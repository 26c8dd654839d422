package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"qme/record"
	"qme/tasks"
)

type cancelCommand struct {
	term *terminal
	home *home
}

func (cmd *cancelCommand) command() *cli.Command {
	var o activeQuery
	return &cli.Command{
		Name:      "cancel",
		Usage:     "end running tasks, or take waiting ones out of the queue",
		ArgsUsage: "TASK… | --query QUERY",
		Description: `The processes of a task get SIGTERM. Processes that are left after the time in the
setting cancel.grace get SIGKILL. The record then says "cancelled". If the command has
ended but its job has not, the job is cancelled, as by "qme exec TASK cancel".

A task that waits in the queue does not start then, and one that runs is not tried again.
It is recorded as cancelled.

Of several tasks none is ended if one of them does not exist. With --query those are ended
that match a query, in the language of "qme search", and have not ended.

Examples:
  qme cancel 019aaf3c
  qme cancel @1 @2
  qme cancel --query group:scan
  qme cancel $(qme ls --queued --ids)`,
		Flags: o.flags("end the tasks that match the `QUERY`, as in \"qme search\""),
		Action: func(ctx context.Context, c *cli.Command) error {
			refs, err := o.refs(ctx, c, cmd.home, (*record.Record).Active)
			if err != nil || len(refs) == 0 && o.asked() {
				return err
			}
			if len(refs) == 0 {
				return &usageError{msg: "cancel which task?", help: "qme ls --active"}
			}
			q, err := cmd.home.history(ctx)
			if err != nil {
				return err
			}
			var found []tasks.Version // all before one is cancelled, which may change what @N names
			for _, ref := range refs {
				v, err := q.Find(ref)
				if err != nil {
					return err
				}
				if taken(cmd.term, ref, v.Record); !slices.ContainsFunc(found, func(o tasks.Version) bool { return o.Record.UID == v.Record.UID }) {
					found = append(found, v)
				}
			}
			var failed []error
			many := o.many(cmd.term, len(found))
			for _, v := range found {
				failed = append(failed, o.meanwhile(q, v.Record.UID, (*record.Record).Active, many.one(cmd.one(ctx, q, v, many.quiet))))
			}
			many.say("cancelled, or taken out of the queue")
			return worst(failed)
		},
	}
}

// one cancels one task.
func (cmd *cancelCommand) one(ctx context.Context, q *tasks.Service, v tasks.Version, quiet bool) error {
	job, err := cmd.home.cancel(ctx, q, v, tasks.Acting{Out: cmd.term.out, Err: notesTo{cmd.term},
		Confirm: func(f *tasks.ForeignError) error { return confirmAction(ctx, cmd.term, v.Record, f, false) }})
	switch {
	case err != nil && codeOf(err) == exitFailure && q.Waiting.Has(v.Record.UID): // as on a full disk
		return fmt.Errorf("task %s is still in the queue: %w", v.Record.UID, err)
	case err != nil || job || quiet:
	case v.Record.IsQueued():
		cmd.term.note("Task %s is taken out of the queue.", v.Record.UID)
	default:
		cmd.term.note("Task %s is being cancelled.", v.Record.UID)
	}
	return err
}
