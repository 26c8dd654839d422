package cli

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/urfave/cli/v3"

	"qme/queue"
	"qme/record"
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
  qme ls --json | jq -r .command`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "failed", Usage: "only those with a return code other than 0", Destination: &f.Failed},
			&cli.BoolFlag{Name: "running", Usage: "only those that are running", Destination: &f.Running},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` of them", Destination: &f.Limit},
			&cli.BoolFlag{Name: "json", Usage: "print one record a line as JSON", Destination: &asJSON},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			f.Executor = c.Args().First()
			if f.Limit < 0 {
				return &usageError{msg: "-n takes a number from 0", help: "qme ls --help"}
			}
			if f.Executor != "" {
				if err := record.CheckExecutor(f.Executor); err != nil {
					return &usageError{msg: err.Error(), help: "qme ls --help"}
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
	err = a.list(q, f, asJSON, out)
	return errors.Join(err, closePager())
}

func (a *app) list(q *queue.Queue, f queue.Filter, asJSON bool, to io.Writer) error {
	f.Brief = !asJSON
	w := newFlusher(to)
	t := a.newTable(w)
	var unreadable []error
	for item := range q.List(f) {
		switch {
		case item.Err != nil && item.ID == "":
			return errors.Join(w.Flush(), item.Err)
		case item.Err != nil:
			unreadable = append(unreadable, item.Err)
			a.warn("%v", item.Err)
			continue
		}
		var err error
		if asJSON {
			err = writeJSONLine(w, item.Record)
		} else {
			err = t.row(item)
		}
		if err != nil {
			return outputError(err)
		}
	}
	if err := w.Flush(); err != nil {
		return outputError(err)
	}
	if len(unreadable) > 0 {
		return &codeError{exitCorrupt, errors.New("some records cannot be read; \"qme check\" says more")}
	}
	return nil
}

func writeJSONLine(w *bufio.Writer, rec *record.Record) error {
	b, err := record.EncodeLine(rec)
	if err != nil {
		return err
	}
	_, err = w.Write(escapeJSON(b))
	return err
}
