package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"qme/gitstore"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

func (a *app) checkCommand() *cli.Command {
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
			return a.check(ctx)
		},
	}
}

func (a *app) check(ctx context.Context) error {
	debug.SetMemoryLimit(packMemory)
	q, err := a.tasks()
	if err != nil {
		return err
	}
	problems := 0
	w := newFlusher(a.out)
	report := func(err error) {
		problems++
		fmt.Fprintln(w, safe.Line(err.Error()))
		if advice := adviceFor(err); advice != "" {
			fmt.Fprintln(w, "  "+a.here(advice))
		}
	}
	home, err := a.homeDir()
	if err != nil {
		return err
	}
	for _, line := range openHome(home) {
		problems++
		fmt.Fprintln(w, safe.Line(line))
	}
	spooled, err := checkSpool(ctx, q, func(line string) { fmt.Fprintln(w, safe.Line(line)) })
	if err != nil {
		return err
	}
	problems += spooled
	s, err := a.openStore()
	if err != nil {
		return err
	}
	progress, done := a.progress()
	rep, err := s.Check(ctx, report, progress)
	done()
	if err != nil {
		return err
	}
	running, err := q.Spool.List(0)
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return outputError(err)
	}
	summary := fmt.Sprintf("%s, %s, %s, %d running", count(rep.Tasks, "task"), count(rep.Commits, "commit"), count(rep.Objects, "object"), len(running))
	if problems > 0 {
		return &codeError{exitCorrupt, fmt.Errorf("%s: %s", summary, count(problems, "problem"))}
	}
	_, err = fmt.Fprintln(a.out, summary+": all is well")
	return err
}

// checkSpool commits what dead processes have left, names what stays, and counts what is
// wrong. A run of which only another machine knows whether it goes on is no problem.
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
	for _, note := range notes {
		say(fmt.Sprintf("spool %s: %s", q.Spool.Dir(), note))
	}
	return problems, nil
}

// adviceFor says what can be done about a problem.
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

// progress shows on a terminal how far a long piece of work is: how much of it is done, of
// a total where that is known and not 0.
func (a *app) progress() (show func(what string, n, total int), done func()) {
	if a.quiet || a.silent || !isTerminal(a.err) {
		return nil, func() {}
	}
	var last time.Time
	shown := false
	return func(what string, n, total int) {
			if time.Since(last) > 100*time.Millisecond {
				last, shown = time.Now(), true
				a.show("\r\x1b[K" + progressText(what, n, total))
			}
		}, func() {
			if shown {
				a.show("\r\x1b[K")
			}
		}
}

func progressText(what string, n, total int) string {
	if things, rest, ok := strings.Cut(what, " "); ok && total == 0 && n == 1 && len(things) > 1 { // s is seconds
		return "1 " + strings.TrimSuffix(things, "s") + " " + rest
	}
	if total == 0 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d of %d %s (%d %%)", n, total, what, min(100, 100*n/total))
}

// elapsing shows on a terminal that a piece of work goes on of which nothing is known
// before its end.
func (a *app) elapsing(what string) (done func()) {
	show, clear := a.progress()
	if show == nil {
		return clear
	}
	begin, ticker, end, ended := time.Now(), time.NewTicker(time.Second), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				show(what, int(time.Since(begin).Seconds()), 0)
			case <-end:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(end)
		<-ended
		clear()
	}
}
