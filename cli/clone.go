package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/gitstore/remote"
	"qme/tasks"
)

type cloneCommand struct {
	term *terminal
	home *home
}

func (cmd *cloneCommand) command() *cli.Command {
	var o shareOptions
	return &cli.Command{
		Name:      "clone",
		Usage:     "start with the tasks of a remote",
		ArgsUsage: "URL",
		Description: `It needs a home without tasks, and sets the remote origin. If the home already has
tasks, use "qme remote URL" and "qme sync" instead: the histories are merged.

Examples:
  qme clone git@host:lab/tasks.git
  qme --home ~/lab clone https://git.example.org/lab/tasks.git`,
		Flags: o.flags()[1:],
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() == 2 {
				return &usageError{msg: fmt.Sprintf("clone takes only a URL; the folder for the tasks is the home: qme --home %s clone %s", remote.Shown(c.Args().Get(1)), remote.Shown(c.Args().First())), help: "qme clone --help"}
			}
			if err := atMost(c, 1); err != nil {
				return err
			}
			if c.Args().Len() == 0 {
				return &usageError{msg: "clone takes a URL", help: "qme clone --help"}
			}
			return cmd.run(ctx, c.Args().First(), o)
		},
	}
}

func (cmd *cloneCommand) run(ctx context.Context, url string, o shareOptions) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	url, err := remoteURL(url)
	if err != nil {
		return err
	}
	q, err := cmd.home.tasks()
	if err != nil {
		return err
	}
	shared, err := q.Clone(ctx, url, tasks.ShareOptions{SkipInvalid: o.skipInvalid})
	if err != nil {
		return interrupted(err)
	}
	if shared.Pulled == (tasks.Traffic{}) && len(shared.Refused) == 0 {
		cmd.term.note("%s", cmd.term.here("The remote has no tasks yet; \"qme push\" sends yours."))
	}
	cmd.home.follow(q, tasks.AfterChange)
	q.CatchUpOrder(ctx)
	return reportShared(cmd.term, shared, o)
}
