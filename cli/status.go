package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/gitstore"
	"qme/gitstore/remote"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type statusCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *statusCommand) command() *cli.Command {
	var asJSON, fetch bool
	return &cli.Command{
		Name:  "status",
		Usage: "show what is not shared yet, and what is running",
		Description: `It compares the history with the last known state of each remote; --fetch asks the
remotes first.

Examples:
  qme status
  qme status --fetch
  qme status --json`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "fetch", Usage: "ask the remotes first", Destination: &fetch},
			&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &asJSON},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			return cmd.run(ctx, fetch, asJSON)
		},
	}
}

// A statusJSON is the state of a home as JSON. Its keys are stable.
type statusJSON struct {
	Remotes []remoteStatus `json:"remotes"`
	Spool   spoolStatus    `json:"spool"`
	// AutoSync is the error of the last sync in the background, "" if it succeeded.
	AutoSync string `json:"auto_sync"`
}

// A remoteStatus compares the history with a remote.
type remoteStatus struct {
	Name      string        `json:"name"`
	URL       string        `json:"url"`
	Known     bool          `json:"known"` // it has been contacted before
	NotPushed tasks.Traffic `json:"not_pushed"`
	NotPulled tasks.Traffic `json:"not_pulled"`
}

// A spoolStatus counts the runs that are not in the history.
type spoolStatus struct {
	Running int `json:"running"`
	Waiting int `json:"waiting"` // they have ended but are not committed
}

func (cmd *statusCommand) run(ctx context.Context, fetch, asJSON bool) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	st := statusJSON{Remotes: []remoteStatus{}}
	remotes, err := q.Remotes()
	if err != nil {
		return err
	}
	var failed []error
	for _, r := range remotes {
		if fetch {
			// An unreachable remote does not prevent a fetch from the others.
			err := interrupted(q.FetchFrom(ctx, r))
			if ctx.Err() != nil {
				return err
			} else if err != nil {
				cmd.term.warn("%s: %v", r.Name, err)
				failed = append(failed, err)
			}
		}
		one, err := compareRemote(ctx, q, r)
		if err != nil {
			return err
		}
		st.Remotes = append(st.Remotes, one)
	}
	if st.Spool, err = spoolStatusOf(q); err != nil {
		return err
	}
	if st.AutoSync, err = q.SyncLog().Read(); err != nil {
		return err
	}
	cmd.settings.warnIfOpen()
	if asJSON {
		err = cmd.term.printJSON(st)
	} else {
		_, err = fmt.Fprint(cmd.term.out, st.text())
	}
	if err == nil && len(failed) > 0 {
		err = &codeError{exitRemote, nil}
	}
	return err
}

func compareRemote(ctx context.Context, q *tasks.Service, r gitstore.RemoteURL) (remoteStatus, error) {
	st, err := q.CompareRemote(ctx, r)
	return remoteStatus{Name: r.Name, URL: remote.Shown(r.URL), Known: st.Known, NotPushed: st.NotPushed, NotPulled: st.NotPulled}, err
}

func spoolStatusOf(q *tasks.Service) (st spoolStatus, err error) {
	entries, err := q.Spool.List(0)
	for _, e := range entries {
		if e.Err == nil && e.Record.Data.Status == record.Running {
			st.Running++
		} else {
			st.Waiting++
		}
	}
	return st, err
}

func (st statusJSON) text() string {
	var out strings.Builder
	if len(st.Remotes) == 0 {
		out.WriteString("no remote is set\n")
	}
	for _, r := range st.Remotes {
		var parts []string
		if r.NotPushed != (tasks.Traffic{}) {
			parts = append(parts, traffic(r.NotPushed)+" not pushed")
		}
		if r.NotPulled != (tasks.Traffic{}) {
			parts = append(parts, traffic(r.NotPulled)+" not pulled")
		}
		if !r.Known {
			parts = append(parts, "never exchanged")
		} else if len(parts) == 0 {
			parts = []string{"up to date"}
		}
		fmt.Fprintf(&out, "%s: %s\n", r.Name, strings.Join(parts, "; "))
	}
	if n := st.Spool.Running; n > 0 {
		fmt.Fprintf(&out, "running: %s\n", traffic(tasks.Traffic{Tasks: n}))
	}
	if n := st.Spool.Waiting; n > 0 {
		fmt.Fprintf(&out, "in the spool: %s\n", traffic(tasks.Traffic{Tasks: n}))
	}
	if st.AutoSync != "" {
		fmt.Fprintf(&out, "the last automatic sync failed: %s\n", safe.Line(hereTime(st.AutoSync)))
	}
	return out.String()
}
