package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/mirror/target"
	"qme/tasks"
)

type mirrorCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *mirrorCommand) command() *cli.Command {
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
				return cmd.followMirror(ctx)
			case what == "status":
				return cmd.mirrorStatus(ctx, asJSON)
			case what == "rebuild":
				return cmd.mirrorRebuild(ctx)
			default:
				return &usageError{msg: "mirror takes status or rebuild", help: "qme mirror --help"}
			}
		},
	}
}

// followMirror updates the mirror in a background process.
func (cmd *mirrorCommand) followMirror(ctx context.Context) error {
	q, err := cmd.home.background((*tasks.Service).MirrorLog)
	if err != nil || q == nil {
		return err
	}
	return q.FollowMirror(ctx)
}

// configuredMirror is mirrorTarget for commands that need a mirror: without one it
// returns a usage error.
func (cmd *mirrorCommand) configuredMirror() (*target.Target, error) {
	t, err := cmd.settings.mirrorTarget()
	if err == nil && t == nil {
		err = &usageError{msg: `no mirror is set; "qme config --database sqlite" sets one`, help: "qme mirror --help"}
	}
	return t, err
}

// mirrorRebuild rebuilds this home's part of the mirror.
func (cmd *mirrorCommand) mirrorRebuild(ctx context.Context) error {
	t, err := cmd.configuredMirror()
	if err != nil {
		return err
	}
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	applied, err := catchUp(cmd.term, ctx, q, t, true)
	if err != nil {
		return interruptedMirror(err)
	}
	warnUnreadable(cmd.term, applied)
	cmd.term.note("Mirrored %s in %s.", traffic(tasks.Traffic{Tasks: applied.Tasks}), t)
	return q.MirrorLog().Clear()
}

// interruptedMirror rewords the error if the user interrupted the command.
func interruptedMirror(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted; the mirror is as it was: %w", context.Canceled)
	}
	return err
}

// A mirrorStatusJSON is the state of a mirror as JSON. Its keys are stable.
type mirrorStatusJSON struct {
	Database string `json:"database"`
	// Commit is the newest mirrored commit, "" if there is none.
	Commit string        `json:"commit"`
	Behind tasks.Traffic `json:"behind"`
	// Unreadable counts damaged records, which are not in the mirror.
	Unreadable int `json:"unreadable"`
	// Trouble is the error of the last update, "" if it succeeded.
	Trouble string `json:"trouble"`
}

func (cmd *mirrorCommand) mirrorStatus(ctx context.Context, asJSON bool) error {
	t, err := cmd.configuredMirror()
	if err != nil {
		return err
	}
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	st := mirrorStatusJSON{Database: t.String(), Trouble: q.MirrorLog().Last()}
	if _, err := st.compare(ctx, q, t); err != nil {
		return err
	}
	if !asJSON {
		_, err := fmt.Fprint(cmd.term.out, st.text())
		return err
	}
	return cmd.term.printJSON(st)
}

// compare reads the state of the mirror and returns the version of its tables.
func (st *mirrorStatusJSON) compare(ctx context.Context, q *tasks.Service, t *target.Target) (schema int64, err error) {
	state, err := q.MirrorState(ctx, t, 0)
	st.Commit, st.Unreadable, st.Behind = state.Commit, state.Unreadable, state.Behind.Traffic
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
