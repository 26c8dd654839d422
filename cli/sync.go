package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"qme/internal/regular"
	"qme/internal/safe"
	"qme/tasks"
)

func (a *app) syncCommand() *cli.Command {
	var auto bool
	c := a.shareCommand("sync", "pull, then push", `Afterwards both histories are the same. The setting sync.auto has each run followed
by a sync, in the background; what went wrong with it is in the file sync.log of
the home.

Examples:
  qme sync
  qme sync lab --json
  qme config sync.auto true`, (*tasks.Service).Sync)
	c.Flags = append(c.Flags, &cli.BoolFlag{Name: "auto", Usage: "in the background's manner", Destination: &auto, Hidden: true})
	inFront := c.Action
	c.Action = func(ctx context.Context, c *cli.Command) error {
		if auto {
			return a.autoSync(ctx)
		}
		if err := inFront(ctx, c); err != nil || c.Bool("dry-run") {
			return err
		}
		return a.clearSyncLog()
	}
	return c
}

// autoSyncLimit ends a sync in the background that gets nowhere.
const autoSyncLimit = 10 * time.Minute

// autoSync syncs with the default remote. Nobody is there to be asked or told: an
// error goes to a file, which the next success removes.
func (a *app) autoSync(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, autoSyncLimit)
	defer cancel()
	log, err := a.syncLog()
	if err != nil {
		return err
	}
	a.quiet = true
	q, err := a.settled(ctx)
	synced := false
	if err == nil {
		synced, err = q.SyncInTurn(ctx)
		err = sharingError(err)
	}
	if err == nil && !synced {
		return nil // how it went is for the one to tell who does it
	}
	if err != nil {
		why := strings.Join(strings.Split(err.Error(), "\n"), "; ")
		text := time.Now().Format(time.RFC3339) + " " + safe.Line(why) + "\n"
		return os.WriteFile(log, []byte(text), 0o600)
	}
	a.follow()
	q.CatchUpOrder(ctx)
	return a.clearSyncLog()
}

// clearSyncLog notes that a sync went well.
func (a *app) clearSyncLog() error {
	log, err := a.syncLog()
	if err != nil {
		return err
	}
	if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncLog returns the file that says what went wrong with the last sync in the
// background.
func (a *app) syncLog() (string, error) {
	home, err := a.homeDir()
	return filepath.Join(home, "sync.log"), err
}

func (a *app) autoSyncError() (string, error) {
	log, err := a.syncLog()
	if err != nil {
		return "", err
	}
	b, err := regular.ReadHere(log)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}
