package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/tasks"
)

func (cmd *shareCommand) sync() *cli.Command {
	var auto bool
	c := cmd.command("sync", "pull, then push", `Afterwards both histories are the same. With the setting sync.auto, each run starts a
sync in the background; its errors are in the file sync.log in the home.

Examples:
  qme sync
  qme sync lab --json
  qme config sync.auto true`, (*tasks.Service).Sync)
	c.Flags = append(c.Flags, &cli.BoolFlag{Name: "auto", Usage: "run non-interactively (internal)", Destination: &auto, Hidden: true})
	inFront := c.Action
	c.Action = func(ctx context.Context, c *cli.Command) error {
		if auto {
			return cmd.autoSync(ctx)
		}
		if err := inFront(ctx, c); err != nil || c.Bool("dry-run") {
			return err
		}
		q, err := cmd.home.tasks()
		if err != nil {
			return err
		}
		return q.SyncLog().Clear()
	}
	return c
}

// autoSync syncs with the default remote in the background, without a user to ask or
// notify.
func (cmd *shareCommand) autoSync(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := cmd.home.background((*tasks.Service).SyncLog)
	if err != nil || q == nil {
		return err
	}
	synced, err := q.AutoSync(ctx, sharingError)
	if err != nil || !synced {
		return err
	}
	cmd.home.follow(q, tasks.AfterChange)
	q.CatchUpOrder(ctx)
	return q.SyncLog().Clear()
}
