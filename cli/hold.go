package cli

import (
	"context"

	"github.com/urfave/cli/v3"

	"qme/queue"
	"qme/record"
)

type holdCommand struct {
	term *terminal
	home *home
}

func (cmd *holdCommand) command() *cli.Command {
	var o activeQuery
	return &cli.Command{
		Name:      "hold",
		Usage:     "keep waiting tasks from starting",
		ArgsUsage: "TASK… | --query QUERY",
		Description: `They stay in the queue until "qme release TASK". A task that has started cannot be
held: "qme queue pause --running" stops what runs, and "qme cancel" ends it.

Examples:
  qme hold 019aaf3c
  qme hold @1 @2
  qme hold --query group:scan`,
		Flags: o.flags("keep those waiting tasks from starting that match the `QUERY`, as in \"qme search\""),
		Action: func(ctx context.Context, c *cli.Command) error {
			return onWaiting(ctx, c, cmd.home, &o, "held", func(q *queue.Queue, id record.ID, quiet bool) error {
				if err := q.Hold(ctx, id); err != nil {
					return err
				}
				if quiet {
					return nil
				}
				cmd.term.note("Task %s is held; %q lets it start.", id, cmd.term.line("release", string(id)))
				return nil
			})
		},
	}
}
