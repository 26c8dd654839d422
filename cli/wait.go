package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"qme/internal/signalled"
	"qme/internal/span"
	"qme/record"
	"qme/tasks"
)

type waitCommand struct {
	home *home
}

func (cmd *waitCommand) command() *cli.Command {
	var limit string
	return &cli.Command{
		Name:      "wait",
		Usage:     "wait until a task and its job have ended",
		ArgsUsage: "[TASK]",
		Description: `It exits with the return code of the task, or of its job if it has started one. The
scheduler is asked less and less often, finally every 30 seconds. Ctrl-C ends the
waiting, but neither the task nor its job.

Examples:
  qme wait
  qme wait 019aaf3c --timeout 2h && qme get 019aaf3c`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "timeout", Usage: "wait no longer than `TIME`, such as 90s, 2h30m, 1d or 1-00:00:00; then exit with 124", Destination: &limit},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
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
			return cmd.run(ctx, c.Args().First())
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
