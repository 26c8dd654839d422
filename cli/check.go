package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/gitstore"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type checkCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *checkCommand) command() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "verify the whole history and the spool",
		Description: `It reads every object and compares it with its name. It parses every record, and
checks that the record is at its path, together with its streams. Each problem is
printed on a line; the exit code is then 6.

Examples:
  qme check`,
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 0); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return cmd.run(ctx)
		},
	}
}

func (cmd *checkCommand) run(ctx context.Context) error {
	debug.SetMemoryLimit(packMemory)
	q, err := cmd.home.tasks()
	if err != nil {
		return err
	}
	problems := 0
	w := newFlusher(cmd.term.out)
	report := func(err error) {
		problems++
		fmt.Fprintln(w, safe.Line(err.Error()))
		if advice := adviceFor(err); advice != "" {
			fmt.Fprintln(w, "  "+cmd.term.here(advice))
		}
	}
	home, err := cmd.settings.homeDir()
	if err != nil {
		return err
	}
	for _, line := range openHome(home) {
		problems++
		fmt.Fprintln(w, safe.Line(line))
	}
	for _, err := range q.Misplaced() {
		report(err)
	}
	spooled, err := checkSpool(ctx, q, func(line string) { fmt.Fprintln(w, safe.Line(line)) })
	if err != nil {
		return err
	}
	problems += spooled
	s, err := q.Store()
	if err != nil {
		return err
	}
	progress, done := cmd.term.progress()
	rep, err := s.Check(ctx, report, progress)
	done()
	if err != nil {
		return err
	}
	running, err := q.Spool.List(0)
	if err != nil {
		return err
	}
	waits, err := q.Waiting.IDs()
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return outputError(err)
	}
	summary := fmt.Sprintf("%s, %s, %s, %d running", count(rep.Tasks, "task"), count(rep.Commits, "commit"), count(rep.Objects, "object"), len(running))
	if len(waits) > 0 {
		summary += fmt.Sprintf(", %d waiting in the queue", len(waits))
	}
	if problems > 0 {
		return &codeError{exitCorrupt, fmt.Errorf("%s: %s", summary, count(problems, "problem"))}
	}
	_, err = fmt.Fprintln(cmd.term.out, summary+": all is well")
	return err
}

// checkSpool commits the runs that dead processes left in the spool, prints the runs that
// stay there, and returns the number of problems. A run is no problem if only another
// machine can tell whether it is still running.
func checkSpool(ctx context.Context, q *tasks.Service, say func(line string)) (problems int, err error) {
	left := []error{q.Recover(ctx)}
	if joined, ok := left[0].(interface{ Unwrap() []error }); ok {
		left = joined.Unwrap()
	}
	found, notes, err := q.Spool.Check()
	if err != nil {
		return 0, err
	}
	for _, err := range append(left, found...) {
		if err != nil {
			problems++
			say(fmt.Sprintf("spool %s: %v", q.Spool.Dir(), err))
		}
	}
	waits, err := q.Waiting.Check()
	if err != nil {
		return 0, err
	}
	for _, err := range waits {
		problems++
		say(fmt.Sprintf("queue %s: %s", q.Waiting.Dir(), said(err.Error())))
	}
	copies, err := q.SnapshotNotes()
	if err != nil {
		return 0, err
	}
	for _, note := range copies {
		say(fmt.Sprintf("queue %s: %s", q.Waiting.Dir(), note))
	}
	for _, note := range notes {
		say(fmt.Sprintf("spool %s: %s", q.Spool.Dir(), note))
	}
	return problems, nil
}

// adviceFor returns advice for a problem, "" if there is none.
func adviceFor(err error) string {
	var layout *gitstore.LayoutError
	switch {
	case errors.As(err, &layout):
		return layout.Way
	case errors.Is(err, record.ErrCorrupt):
		return "Another copy of the history may have it whole: clone it anew, or copy its objects into objects/pack and check again."
	case errors.Is(err, record.ErrInvalid):
		return "Nothing of qme wrote this so. \"qme git log -- PATH\" shows which commit did; \"qme clear TASK\" removes a task's record, and \"qme push --skip-invalid\" what is no task's."
	}
	return ""
}
