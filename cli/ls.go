package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"qme/queue"
	"qme/record"
	"qme/record/safe"
)

func (a *app) lsCommand() *cli.Command {
	var f queue.Filter
	var asJSON bool
	return &cli.Command{
		Name:      "ls",
		Aliases:   []string{"list"},
		Usage:     "list tasks, newest first",
		ArgsUsage: "[EXECUTOR]",
		Description: `With --json it prints one record a line (JSON Lines), as docs/format.md
describes it.

Examples:
  qme ls
  qme ls shell --failed -n 20
  qme ls --host login1 --user alice
  qme ls --json | jq -r .command`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "failed", Usage: "only those that ended by themselves with a return code other than 0", Destination: &f.Failed},
			&cli.BoolFlag{Name: "running", Usage: "only those that are running", Destination: &f.Running},
			&cli.StringFlag{Name: "host", Usage: "only those that ran on the machine `NAME`", Destination: &f.Host},
			&cli.StringFlag{Name: "user", Usage: "only those that the user `NAME` ran", Destination: &f.User},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` of them", HideDefault: true, Destination: &f.Limit},
			&cli.BoolFlag{Name: "json", Usage: "print one record a line as JSON", Destination: &asJSON},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			f.Executor = c.Args().First()
			if f.Limit < 1 && c.IsSet("limit") {
				return &usageError{msg: fmt.Sprintf("-n takes a number from 1, not %d; without it all tasks are listed", f.Limit), help: "qme ls --help"}
			}
			if f.Executor != "" {
				if err := record.CheckExecutor(f.Executor); err != nil {
					return &usageError{msg: fmt.Sprintf("%v; of one task, \"qme log TASK\" lists the runs and \"qme get TASK\" shows the record", err), help: "qme ls --help"}
				}
			}
			return a.ls(ctx, f, asJSON)
		},
	}
}

func (a *app) ls(ctx context.Context, f queue.Filter, asJSON bool) error {
	q, err := a.history(ctx)
	if err != nil {
		return err
	}
	out, closePager, err := a.pager(asJSON)
	if err != nil {
		return err
	}
	n, err := a.list(q, f, asJSON, out)
	if err = errors.Join(err, closePager()); err == nil && n == 0 {
		a.noteNone(q, f)
	}
	return err
}

// noteNone says why a listing is empty. A name that fits no task is likely to be
// a mistake; that nothing has failed is no news for a script.
func (a *app) noteNone(q *queue.Queue, f queue.Filter) {
	named := queue.Filter{Executor: f.Executor, Host: f.Host, User: f.User}
	all := !f.Failed && !f.Running // of that name
	if named != (queue.Filter{}) && (all || !hasTasks(q, named)) {
		a.note("There are no %s.", tasksOf(named))
		return
	}
	switch {
	case !isTerminal(a.err):
	case f == queue.Filter{Limit: f.Limit}:
		a.note("There are no tasks yet; \"qme run CMD\" records one.")
	default:
		a.note("There are no %s.", tasksOf(f))
	}
}

// tasksOf says in words which tasks a listing is of.
func tasksOf(f queue.Filter) string {
	text := "tasks"
	if f.Running {
		text = "running " + text
	}
	if f.Failed {
		text = "failed " + text
	}
	for _, of := range []struct{ how, name string }{{"of executor", f.Executor}, {"on host", f.Host}, {"by user", f.User}} {
		if of.name != "" {
			text += " " + of.how + " " + of.name
		}
	}
	return text
}

func hasTasks(q *queue.Queue, f queue.Filter) bool {
	f.Limit, f.Brief = 1, true
	for range q.List(f) {
		return true
	}
	return false
}

// list prints the tasks and counts them.
func (a *app) list(q *queue.Queue, f queue.Filter, asJSON bool, to io.Writer) (n int, err error) {
	f.Brief = !asJSON
	w := newFlusher(to)
	t := a.newTable(w)
	var unreadable []error
	for item := range q.List(f) {
		switch {
		case item.Err != nil && item.ID == "":
			return n, errors.Join(w.Flush(), item.Err)
		case item.Err != nil:
			unreadable = append(unreadable, item.Err)
			a.warn("%v", item.Err)
			continue
		}
		if asJSON {
			err = writeJSONLine(w, item.Record)
		} else {
			err = t.row(item)
		}
		if err != nil {
			return n, outputError(err)
		}
		n++
	}
	if err := w.Flush(); err != nil {
		return n, outputError(err)
	}
	if len(unreadable) > 0 {
		return n, &codeError{exitCorrupt, errors.New("some records cannot be read; \"qme check\" says more")}
	}
	return n, nil
}

func writeJSONLine(w *bufio.Writer, rec *record.Record) error {
	b, err := record.EncodeLine(rec)
	if err != nil {
		return err
	}
	_, err = w.Write(safe.JSON(b))
	return err
}
