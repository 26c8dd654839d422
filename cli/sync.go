package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/tasks"
)

func (a *app) syncCommand() *cli.Command {
	var auto bool
	c := a.shareCommand("sync", "pull, then push", `Afterwards both histories are the same. With the setting sync.auto, each run starts a
sync in the background; its errors are in the file sync.log in the home.

Examples:
  qme sync
  qme sync lab --json
  qme config sync.auto true`, (*tasks.Service).Sync)
	c.Flags = append(c.Flags, &cli.BoolFlag{Name: "auto", Usage: "run non-interactively (internal)", Destination: &auto, Hidden: true})
	inFront := c.Action
	c.Action = func(ctx context.Context, c *cli.Command) error {
		if auto {
			return a.autoSync(ctx)
		}
		if err := inFront(ctx, c); err != nil || c.Bool("dry-run") {
			return err
		}
		q, err := a.tasks()
		if err != nil {
			return err
		}
		return q.SyncLog().Clear()
	}
	return c
}

// autoSync syncs with the default remote. Nobody is there to be asked or told.
func (a *app) autoSync(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := a.background((*tasks.Service).SyncLog)
	if err != nil || q == nil {
		return err
	}
	synced, err := q.AutoSync(ctx, sharingError)
	if err != nil || !synced {
		return err
	}
	a.follow(q, tasks.AfterChange)
	q.CatchUpOrder(ctx)
	return q.SyncLog().Clear()
}
