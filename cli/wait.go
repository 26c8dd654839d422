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

func (cmd *waitCommand) command() *cli.Command {
	var limit string
	var from queryFlags
	return &cli.Command{
		Name:      "wait",
		Usage:     "wait until a task and its job have ended",
		ArgsUsage: "[TASK]",
		Description: `It exits with the return code of the task, or of its job if it has started one. The
scheduler is asked less and less often, finally every 30 seconds. Ctrl-C ends the
waiting, but neither the task nor its job.

With --query it waits for all tasks that match a query and have not ended at that moment,
in the language of "qme search". It exits with 0 if all of them ended with return code 0,
and otherwise with the code of the first one in "qme ls" that did not.

Examples:
  qme wait
  qme wait 019aaf3c --timeout 2h && qme get 019aaf3c
  qme wait --query 'command:prepare on:today' && qme run sbatch analyse.sh`,
		Flags: append(from.flags("wait for all tasks that match the `QUERY`, as in \"qme search\", and have not ended"), []cli.Flag{
			&cli.StringFlag{Name: "timeout", Usage: "wait no longer than `TIME`, such as 90s, 2h30m, 1d or 1-00:00:00; then exit with 124", Destination: &limit},
		}...),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			what, err := from.query(c, cmd.settings)
			if err != nil {
				return err
			}
			if c.IsSet("timeout") {
				timeout, err := span.Parse(limit)
				if err != nil || timeout == 0 {
					return &usageError{msg: fmt.Sprintf("--timeout takes a time such as 90s, 2h30m, 1d or 1-00:00:00, not %q", limit), help: "qme wait --help"}
				}
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			if what == nil {
				return cmd.run(ctx, c.Args().First())
			}
			if err := noTask(c); err != nil {
				return err
			}
			return cmd.runQuery(ctx, what, from)
		},
	}
}

func (cmd *waitCommand) run(ctx context.Context, ref string) error {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	rec, err := q.Wait(ctx, ref, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		return &codeError{exitTimeout, fmt.Errorf("it has not ended yet")}
	}
	if err != nil {
		return err
	}
	cause := tasks.AfterChange
	if rec.Data.Job != nil { // the job may have ended just now
		cause = tasks.AfterRefresh
	}
	cmd.home.follow(q, cause)
	return endAs(rec)
}

// runQuery waits for the tasks that match a query.
func (cmd *waitCommand) runQuery(ctx context.Context, what *query.Query, from queryFlags) error {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	all := 0
	ended, err := q.WaitAll(ctx, what, func(n int) {
		switch all = n; n {
		case 0:
			cmd.term.note("No task that is running or queued matches.")
		case 1:
			cmd.term.note("Waiting for 1 task.")
		default:
			cmd.term.note("Waiting for %d tasks.", n)
		}
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return &codeError{exitTimeout, fmt.Errorf("%d of %d tasks have not ended yet", all-len(ended), all)}
	}
	if err != nil && len(ended) == 0 {
		return err
	}
	if all == 0 {
		return cmd.term.noteOthersIn(ctx, q, what, from, "wait")
	}
	cause, failed, well := tasks.AfterChange, error(nil), 0
	for _, rec := range ended {
		if rec.Data.Job != nil { // the job may have ended just now
			cause = tasks.AfterRefresh
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
	cmd.term.note("%d of %d ended with return code 0.", well, all)
	cmd.home.follow(q, cause)
	return cmp.Or(err, failed)
}

// endAs returns nil or an error with the return code of a task.
func endAs(rec *record.Record) error {
	rc := rec.Code()
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
