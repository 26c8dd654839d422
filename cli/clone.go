package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/gitstore"
	"qme/gitstore/remote"
	"qme/record"
	"qme/tasks"
)

func (a *app) cloneCommand() *cli.Command {
	var o shareOptions
	return &cli.Command{
		Name:      "clone",
		Usage:     "start with the tasks of a remote",
		ArgsUsage: "URL",
		Description: `It is for a home without tasks, and sets the remote origin. Where there are tasks
already, use "qme remote URL" and "qme sync" instead: the histories are merged.

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
			return a.clone(ctx, c.Args().First(), o)
		},
	}
}

func (a *app) clone(ctx context.Context, url string, o shareOptions) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	url, err := remoteURL(url)
	if err != nil {
		return err
	}
	if err := a.noTasks(); err != nil {
		return err
	}
	s, err := a.openStore()
	if err != nil {
		return err
	}
	undo, err := setOrigin(s, url)
	if err != nil {
		return err
	}
	target := gitstore.RemoteURL{Name: defaultRemote, URL: url}
	shared, x, err := a.exchange(ctx, s, target, o, tasks.Pull)
	if err != nil {
		return errors.Join(err, undo())
	}
	if shared.Pulled == (tasks.Traffic{}) && len(x.refused) == 0 {
		a.note("%s", a.here("The remote has no tasks yet; \"qme push\" sends yours."))
	}
	a.follow()
	a.catchUpOrder(ctx)
	return a.reportShared(target, shared, x.refused, o)
}

// setOrigin sets the remote origin; undo puts back what was there.
func setOrigin(s *gitstore.Store, url string) (undo func() error, err error) {
	remotes, err := s.Remotes()
	if err != nil {
		return nil, err
	}
	undo = func() error { return s.RemoveRemote(defaultRemote) }
	for _, r := range remotes {
		if r.Name == defaultRemote {
			undo = func() error { return s.SetRemote(r.Name, r.URL) }
		}
	}
	return undo, s.SetRemote(defaultRemote, url)
}

// noTasks refuses a home that has tasks.
func (a *app) noTasks() error {
	q, err := a.tasks()
	if err != nil {
		return err
	}
	for item := range q.List(tasks.Filter{Limit: 1, Brief: true}) {
		if item.ID == "" && item.Err != nil {
			return item.Err
		}
		home, err := a.homeDir()
		return errors.Join(err, fmt.Errorf("%s has tasks already: %w; \"qme remote URL\" and \"qme sync\" merge them with those of a remote", home, record.ErrConflict))
	}
	return nil
}
