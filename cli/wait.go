package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"qme/index/query"
	"qme/internal/signalled"
	"qme/internal/span"
	"qme/record"
	"qme/tasks"
)

type waitCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

// waitOptions are the flags of wait.
type waitOptions struct {
	limit    string
	all, any bool
	from     queryFlags
}

func (cmd *waitCommand) command() *cli.Command {
	var o waitOptions
	return &cli.Command{
		Name:      "wait",
		Usage:     "wait until tasks and their jobs have ended",
		ArgsUsage: "[TASK…]",
		Description: `It exits with the return code of the task, or of its job if it has started one. The
scheduler is asked less and less often, finally every 30 seconds. A task in the queue is
waited for until its last try has ended. If it cannot start unless you do something, wait
says what at once, and exits with 5 when the others have ended. Ctrl-C ends the waiting,
but neither the task nor its job. The default is the task that you gave last.

For several tasks, with --all for those that have not ended at that moment, and with
--query for those of them that match a query in the language of "qme search", it exits
with 0 if all of them ended with return code 0, and otherwise with the code of the first
one that did not. With --any it waits for the first of them that ends, prints its id, and
exits with its code.

Examples:
  qme wait
  qme wait 019aaf3c --timeout 2h && qme get 019aaf3c
  qme wait @1 @2 @3
  qme wait --all --any
  qme wait --query 'command:prepare on:today' && qme run sbatch analyse.sh`,
		Flags: append(o.from.flags("wait for all tasks that match the `QUERY`, as in \"qme search\", and have not ended"), []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "wait for all tasks that have not ended", Destination: &o.all},
			&cli.BoolFlag{Name: "any", Usage: "wait for the first one that ends", Destination: &o.any},
			&cli.StringFlag{Name: "timeout", Usage: "wait no longer than `TIME`, such as 90s, 2h30m, 1d or 1-00:00:00; then exit with 124", Destination: &o.limit},
		}...),
		Action: func(ctx context.Context, c *cli.Command) error {
			refs, err := wholeTasks(c)
			if err != nil {
				return err
			}
			what, err := o.from.query(c, cmd.settings)
			if err != nil {
				return err
			}
			if c.IsSet("timeout") {
				timeout, err := span.Parse(o.limit)
				if err != nil || timeout == 0 {
					return &usageError{msg: fmt.Sprintf("--timeout takes a time such as 90s, 2h30m, 1d or 1-00:00:00, not %q", o.limit), help: "qme wait --help"}
				}
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			ctx, stop := signalled.Until(ctx)
			defer stop()
			if (what != nil || o.all) && len(refs) > 0 {
				return &usageError{msg: "--all, --query or --saved selects the tasks: quote all of the query, and name no task", help: "qme wait --help"}
			}
			if len(refs) < 2 && !o.all && !o.any && what == nil {
				return cmd.run(ctx, c.Args().First())
			}
			return cmd.runSeveral(ctx, refs, what, o)
		},
	}
}

func (cmd *waitCommand) run(ctx context.Context, ref string) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	rec, err := q.Wait(ctx, ref, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		return &codeError{exitTimeout, fmt.Errorf("%s has not ended yet", cmp.Or(ref, "the last task"))}
	}
	if err != nil {
		return err
	}
	cmd.home.follow(q, causeOf(rec))
	return endAs(rec)
}

// causeOf returns what follows the end of a task: its job may have ended just now.
func causeOf(rec *record.Record) tasks.Cause {
	if rec.Data.Job != nil {
		return tasks.AfterRefresh
	}
	return tasks.AfterChange
}

// runSeveral waits for tasks that are named, or have not ended and match a query if there is one.
func (cmd *waitCommand) runSeveral(ctx context.Context, refs []string, what *query.Query, o waitOptions) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	var ids []record.ID
	if len(refs) > 0 || !o.all && what == nil {
		if len(refs) == 0 {
			refs = []string{""}
		}
		ids, err = q.IDs(refs...)
	} else if s, serr := q.Matching(what, record.ActiveOnes); serr == nil {
		ids = s.IDs
	} else {
		err = serr
	}
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return cmd.none(ctx, q, what, o)
	}
	cmd.term.note("Waiting for %s.", count(len(ids), "task"))
	if o.any {
		return cmd.forAny(ctx, q, ids)
	}
	return cmd.forAll(ctx, q, ids)
}

// none says that there is nothing to wait for.
func (cmd *waitCommand) none(ctx context.Context, q *tasks.Service, what *query.Query, o waitOptions) error {
	if what == nil {
		cmd.term.note("No task is running or queued.")
		return nil
	}
	cmd.term.note("No task that is running or queued matches.")
	return cmd.term.noteOthersIn(ctx, q, what, o.from, "wait")
}

// forAny waits for the first task that ends.
func (cmd *waitCommand) forAny(ctx context.Context, q *tasks.Service, ids []record.ID) error {
	rec, err := q.WaitAny(ctx, ids)
	if errors.Is(err, context.DeadlineExceeded) {
		return &codeError{exitTimeout, fmt.Errorf("none of %s has ended yet", count(len(ids), "task"))}
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.term.out, rec.UID); err != nil {
		return err
	}
	cmd.home.follow(q, causeOf(rec))
	return endAs(rec)
}

// forAll waits for all of the tasks.
func (cmd *waitCommand) forAll(ctx context.Context, q *tasks.Service, ids []record.ID) error {
	ended, err := q.WaitAll(ctx, ids, func(why error) { cmd.term.warn("%v", why) })
	if errors.Is(err, context.DeadlineExceeded) {
		return &codeError{exitTimeout, fmt.Errorf("%d of %d tasks have not ended yet", len(ids)-len(ended), len(ids))}
	}
	if err != nil && len(ended) == 0 {
		return err
	}
	cause, failed, well := tasks.AfterChange, error(nil), 0
	for _, rec := range ended {
		if rec.Data.Job != nil {
			cause = causeOf(rec)
		}
		end := endAs(rec)
		if rc := rec.Code(); end != nil && rc != nil {
			cmd.term.note("Task %s has ended with return code %d.", rec.UID, *rc)
		}
		if end == nil {
			well++
		}
		failed = cmp.Or(failed, end)
	}
	cmd.term.note("%d of %d ended with return code 0.", well, len(ids))
	cmd.home.follow(q, cause)
	return cmp.Or(err, failed)
}

// endAs returns nil or an error with the return code of a task.
func endAs(rec *record.Record) error {
	rc := rec.Code()
	if rc == nil && rec.Data.Queue != nil && rec.Data.Status == record.Cancelled && rec.Data.PID == 0 {
		return &codeError{exitFailure, fmt.Errorf("task %s was taken out of the queue before it started", rec.UID)}
	}
	if rc == nil {
		return &codeError{exitFailure, fmt.Errorf("task %s has ended, nobody saw with which return code", rec.UID)}
	}
	switch {
	case *rc == 0:
		return nil
	case *rc < 0 || *rc > 255: // no exit code of a process: 256 would be taken for 0
		return &codeError{exitFailure, fmt.Errorf("task %s has ended, with a return code that is none: %d", rec.UID, *rc)}
	}
	return &codeError{code: *rc}
}
