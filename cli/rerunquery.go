package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"qme/index/query"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// mostUnasked is how many tasks a query runs again at most without a question.
const mostUnasked = 20

// rerunQuery runs the tasks again that match a query, one after another, in the order of their ids. One that fails does not stop
// the others: the error is that of the first of these.
func (cmd *rerunCommand) rerunQuery(ctx context.Context, what *query.Query, from queryFlags, o rerunOptions, show rerunStaleOptions) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	list, active, err := q.Repeatable(what)
	if err != nil {
		return err
	}
	if len(list)+len(active) == 0 {
		cmd.term.noteNoMatch(q)
		return cmd.term.noteOthersIn(ctx, q, what, from, "rerun")
	}
	if len(active) > 0 {
		var ids []record.ID
		for _, item := range active {
			ids = append(ids, item.ID)
		}
		cmd.term.note("Left out, since they run or wait: %s", shortNames(ids, mostNamed))
	}
	if list, err = withChange(q, list, o); err != nil {
		return err
	}
	if show.dryRun {
		return cmd.term.listing(show.json, func(w *bufio.Writer) error { return writeAgain(w, list, show.json) })
	}
	if err := cmd.mayRerun(ctx, list, from, o); err != nil {
		return err
	}
	return cmd.rerunEach(ctx, list, o)
}

// mayRerun asks before many tasks are run again.
func (cmd *rerunCommand) mayRerun(ctx context.Context, list []tasks.Item, from queryFlags, o rerunOptions) error {
	if len(list) <= mostUnasked || o.yes {
		return nil
	}
	subject := fmt.Sprintf("%d tasks that match %s", len(list), safe.Bounded(from.text))
	return cmd.term.askOfMany(ctx, list, "Run "+subject+" again", "nothing was run", "without a terminal --yes runs "+subject+" again, and --dry-run shows them")
}

// selectionShown is how many tasks are shown before a question.
const selectionShown = 10

// rerunEach runs tasks again, one after another.
func (cmd *rerunCommand) rerunEach(ctx context.Context, list []tasks.Item, o rerunOptions) error {
	failed, code := 0, 0
	for i, item := range list {
		cmd.term.note("%d of %d: %s  %s", i+1, len(list), item.Short, safe.Bounded(item.Record.Command))
		err := cmd.rerunListed(ctx, item.ID, o)
		var signal *signalError
		if errors.As(err, &signal) && slices.Contains(ending, signal.signal) || ctx.Err() != nil {
			return err
		}
		if err == nil {
			continue
		}
		now, msg, hint := cmd.settings.explain(err)
		if msg != "" {
			cmd.term.fail(msg)
		}
		if hint != "" {
			cmd.term.say("%s", hint)
		}
		if failed++; failed == 1 {
			code = now
		}
		if now == exitInterrupted {
			break
		}
	}
	if failed == 0 {
		return nil
	}
	cmd.term.note("%d of %d failed.", failed, len(list))
	return &codeError{code: code}
}

// ending are the signals with which a user ends qme and its command together, so that no further command is run.
var ending = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// rerunListed runs one of several tasks again. It reads the file that it has read before.
func (cmd *rerunCommand) rerunListed(ctx context.Context, id record.ID, o rerunOptions) error {
	_, v, err := cmd.home.find(ctx, string(id))
	if err != nil {
		return err
	}
	cmd.home.input = nil
	if in := v.Record.Data.Stdin; in != nil && in.Kind == "file" {
		o.stdin = in.Path
	}
	q, rep, err := cmd.run(ctx, string(id), o, nil)
	if err != nil {
		return err
	}
	return cmd.home.finishRun(q, rep)
}

// An againJSON is a task in the output of rerun --dry-run --json with --query or --set.
type againJSON struct {
	UID     record.ID     `json:"uid"`
	Command string        `json:"command"`
	Params  record.Params `json:"params,omitempty"` // with --set
}

// writeAgain prints what is to be run again, in order.
func writeAgain(w *bufio.Writer, list []tasks.Item, asJSON bool) error {
	for i, item := range list {
		var err error
		if asJSON {
			err = writeJSON(w, againJSON{item.ID, item.Record.Command, item.Record.Data.Params})
		} else {
			_, err = fmt.Fprintf(w, "%d. %s  %s\n", i+1, item.Short, safe.Line(item.Record.Command))
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}
