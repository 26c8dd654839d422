package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/mirror"
	"qme/mirror/target"
	"qme/tasks"
)

func (a *app) mirrorCommand() *cli.Command {
	var asJSON, auto bool
	return &cli.Command{
		Name:      "mirror",
		Usage:     "show or rebuild the mirror in a database",
		ArgsUsage: "status|rebuild",
		Description: `A mirror is a copy of the history in sqlite, PostgreSQL or MySQL, for "qme sql" and
other programs. It follows each run automatically. "status" says how far behind it
is, "rebuild" makes this home's part of it again.

Examples:
  qme config --database sqlite
  qme mirror rebuild
  qme mirror status`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the status as JSON", Destination: &asJSON},
			&cli.BoolFlag{Name: "auto", Usage: "run non-interactively (internal)", Destination: &auto, Hidden: true},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			switch what := c.Args().First(); {
			case auto:
				return a.followMirror(ctx)
			case what == "status":
				return a.mirrorStatus(ctx, asJSON)
			case what == "rebuild":
				return a.mirrorRebuild(ctx)
			default:
				return &usageError{msg: "mirror takes status or rebuild", help: "qme mirror --help"}
			}
		},
	}
}

// followMirror catches up in a process that nobody waits for.
func (a *app) followMirror(ctx context.Context) error {
	q, err := a.background((*tasks.Service).MirrorLog)
	if err != nil || q == nil {
		return err
	}
	return q.FollowMirror(ctx)
}

// background returns the use cases for a process that nobody waits for. Where there are none
// the reason is in a log, and q is nil.
func (a *app) background(log func(*tasks.Service) tasks.Log) (q *tasks.Service, err error) {
	a.quiet = true
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	if q, err = a.tasks(); err != nil {
		return nil, log(&tasks.Service{Home: home}).Note(err)
	}
	return q, nil
}

// mirrorTarget returns the database that the settings name, nil when there is none.
func (a *app) mirrorTarget() (*target.Target, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	if err := cfg.Wrong("database"); err != nil {
		return nil, a.unlessTold(err)
	}
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	t, err := target.Parse(cfg.String("database"), os.Getenv(target.ConnectionVariable), home)
	return t, settingError(err)
}

// configuredMirror is mirrorTarget where there has to be one.
func (a *app) configuredMirror() (*target.Target, error) {
	t, err := a.mirrorTarget()
	if err == nil && t == nil {
		err = &usageError{msg: `no mirror is set; "qme config --database sqlite" sets one`, help: "qme mirror --help"}
	}
	return t, err
}

// catchUp brings the mirror up to date, or makes it anew.
func (a *app) catchUp(ctx context.Context, q *tasks.Service, t *target.Target, anew bool) (mirror.Applied, error) {
	show, done := a.progress()
	defer done()
	var progress func(int)
	if show != nil {
		progress = func(n int) { show("tasks mirrored", n, 0) }
	}
	return q.CatchUpMirror(ctx, t, anew, progress)
}

// mirrorRebuild makes this home's part of the mirror anew.
func (a *app) mirrorRebuild(ctx context.Context) error {
	t, err := a.configuredMirror()
	if err != nil {
		return err
	}
	q, err := a.history(ctx)
	if err != nil {
		return err
	}
	applied, err := a.catchUp(ctx, q, t, true)
	if err != nil {
		return interruptedMirror(err)
	}
	a.warnUnreadable(applied)
	a.note("Mirrored %s in %s.", traffic(tasks.Traffic{Tasks: applied.Tasks}), t)
	return q.MirrorLog().Clear()
}

// interruptedMirror says it in words when it was the user who ended it.
func interruptedMirror(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted; the mirror is as it was: %w", context.Canceled)
	}
	return err
}

func (a *app) warnUnreadable(applied mirror.Applied) {
	const shown = 5
	for i, err := range applied.Unreadable {
		if i == shown {
			a.warn("and %d more", len(applied.Unreadable)-shown)
			break
		}
		a.warn("not mirrored: %v", err)
	}
}

// A mirrorStatusJSON is how far a mirror is, as JSON. Its keys are stable.
type mirrorStatusJSON struct {
	Database string `json:"database"`
	// Commit is the newest one that is mirrored; "" when nothing is.
	Commit string        `json:"commit"`
	Behind tasks.Traffic `json:"behind"`
	// Unreadable counts records that are damaged, and so not in the mirror.
	Unreadable int `json:"unreadable"`
	// Trouble says why the mirror could not follow the last time; "" when it could.
	Trouble string `json:"trouble"`
}

func (a *app) mirrorStatus(ctx context.Context, asJSON bool) error {
	t, err := a.configuredMirror()
	if err != nil {
		return err
	}
	q, err := a.settled(ctx)
	if err != nil {
		return err
	}
	st := mirrorStatusJSON{Database: t.String(), Trouble: q.MirrorLog().Last()}
	if _, err := st.compare(ctx, q, t); err != nil {
		return err
	}
	if !asJSON {
		_, err := fmt.Fprint(a.out, st.text())
		return err
	}
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, string(safe.JSON(b)))
	return err
}

// compare finds how far the mirror is, and which version its tables have.
func (st *mirrorStatusJSON) compare(ctx context.Context, q *tasks.Service, t *target.Target) (schema int64, err error) {
	state, err := q.MirrorState(ctx, t)
	st.Commit, st.Unreadable, st.Behind = state.Commit, state.Unreadable, state.Behind
	return state.Schema, interruptedMirror(err)
}

func (st mirrorStatusJSON) text() string {
	var out strings.Builder
	state := "up to date"
	switch {
	case st.Behind != (tasks.Traffic{}):
		state = traffic(st.Behind) + " behind"
	case st.Commit == "":
		state = "empty"
	}
	fmt.Fprintf(&out, "%s: %s\n", safe.Line(st.Database), state)
	if st.Unreadable > 0 {
		fmt.Fprintf(&out, "not mirrored, as they cannot be read: %d; \"qme check\" says more\n", st.Unreadable)
	}
	if st.Trouble != "" {
		fmt.Fprintf(&out, "the last attempt failed: %s\n", safe.Line(hereTime(st.Trouble)))
	}
	return out.String()
}
