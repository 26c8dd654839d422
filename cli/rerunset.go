package cli

import (
	"bufio"
	"context"
	"errors"
	"slices"

	"qme/record"
	"qme/tasks"
	"qme/tasks/sweep"
)

// setOption is the option with which a rerun gets other values of parameters.
const setOption = "set"

// notSet makes an error of a command that cannot be changed one of the command line.
func notSet(err error) error {
	if errors.Is(err, sweep.ErrInvalid) {
		return &usageError{msg: "--" + setOption + ": " + said(err.Error()), help: "qme rerun --help"}
	}
	return err
}

// showChanged prints the command of one task as it would be run.
func (cmd *rerunCommand) showChanged(ctx context.Context, ref string, o rerunOptions, asJSON bool) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	rec, err := q.Changed(ref, o.set)
	if err != nil {
		return notSet(err)
	}
	if old, err := q.Find(ref); err == nil {
		rec.Command = withVariables(rec, old.Record, o.set)
	}
	item := tasks.Item{Result: record.Result{ID: rec.UID, Record: rec}, Short: shortOf(q, rec.UID)}
	return cmd.term.listing(asJSON, func(w *bufio.Writer) error { return writeAgain(w, []tasks.Item{item}, asJSON) })
}

// withChange returns tasks with the commands that they get by --set. If one of them cannot be changed, none is run.
func withChange(q *tasks.Service, list []tasks.Item, o rerunOptions) ([]tasks.Item, error) {
	if len(o.set) == 0 {
		return list, nil
	}
	list = slices.Clone(list)
	for i := range list {
		var err error
		old := list[i].Record
		if list[i].Record, err = q.Changed(string(list[i].ID), o.set); err != nil {
			return nil, notSet(err)
		}
		list[i].Record.Command = withVariables(list[i].Record, old, o.set)
	}
	return list, nil
}

// withVariables returns the changed command of a task for display, with the values that are in variables alone.
func withVariables(rec, old *record.Record, set record.Params) string {
	if rec.Command != old.Command {
		return rec.Command
	}
	return variablesText(set) + rec.Command
}
