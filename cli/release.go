package cli

import (
	"context"

	"github.com/urfave/cli/v3"

	"qme/queue"
	"qme/record"
)

type releaseCommand struct {
	term *terminal
	home *home
}

func (cmd *releaseCommand) command() *cli.Command {
	var o activeQuery
	return &cli.Command{
		Name:      "release",
		Usage:     "let waiting tasks start that are held",
		ArgsUsage: "TASK… | --query QUERY",
		Description: `It takes back "qme hold" and "qme add --hold". Tasks that qme holds because they could not
be started, for example because their directory was gone, are tried again.

Examples:
  qme release 019aaf3c
  qme release @1 @2
  qme release --query group:scan`,
		Flags: o.flags("release the waiting tasks that match the `QUERY`, as in \"qme search\""),
		Action: func(ctx context.Context, c *cli.Command) error {
			return onWaiting(ctx, c, cmd.home, &o, "released", func(q *queue.Queue, id record.ID, quiet bool) error {
				held, err := q.Release(ctx, id)
				switch {
				case err != nil || quiet:
					return err
				case held:
					cmd.term.note("Task %s is not held any more.", id)
				default:
					cmd.term.note("Task %s was not held; %q says for what it waits.", id, cmd.term.line("show", string(id)))
				}
				return nil
			})
		},
	}
}
