package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// An activeQuery is the options of a command that does something with tasks that have not ended, and can take those that match a query.
type activeQuery struct {
	from queryFlags
	yes  bool
}

func (o *activeQuery) flags(usage string) []cli.Flag {
	return append(o.from.flags(usage), &cli.BoolFlag{Name: "yes", Usage: fmt.Sprintf("with --query: do not ask about more than %d tasks", mostUnasked), Destination: &o.yes})
}

// refs returns the tasks that a command line names, or that match its query, as far as keep says.
func (o *activeQuery) refs(ctx context.Context, c *cli.Command, h *home, keep func(*record.Record) bool) ([]string, error) {
	of, err := o.from.selection(c, h.settings)
	if err != nil || of.what == nil {
		return of.refs, err
	}
	q, err := h.history(ctx)
	if err != nil {
		return nil, err
	}
	ended, list, err := q.Repeatable(of.what)
	if err != nil {
		return nil, err
	}
	if len(ended)+len(list) == 0 {
		h.term.noteNoMatch(q)
		return nil, h.term.noteOthersIn(ctx, q, of.what, o.from, c.Name)
	}
	matched := len(ended) + len(list)
	list = slices.DeleteFunc(list, func(item tasks.Item) bool { return !keep(item.Record) })
	if left := matched - len(list); left > 0 {
		h.term.note("Left out: %s, of which %s", count(left, "task"), map[bool]string{true: "none runs or waits", false: "none waits in the queue"}[c.Name == "cancel"])
	}
	if err := o.ask(ctx, h.term, c.Name, list); err != nil {
		return nil, err
	}
	// The newest first: what starts when another one ends is cancelled before that.
	slices.SortStableFunc(list, func(a, b tasks.Item) int { return strings.Compare(b.ID.UUID(), a.ID.UUID()) })
	var refs []string
	for _, item := range list {
		refs = append(refs, string(item.ID))
	}
	return refs, nil
}

// ask asks before something is done with many tasks.
func (o *activeQuery) ask(ctx context.Context, t *terminal, verb string, list []tasks.Item) error {
	if len(list) <= mostUnasked || o.yes {
		return nil
	}
	subject := fmt.Sprintf("%d tasks that match %s", len(list), safe.Bounded(o.from.text))
	return t.askOfMany(ctx, list, fmt.Sprintf("This will %s %s, are you sure", verb, subject), "nothing was done", fmt.Sprintf("without a terminal --yes has \"qme %s\" take %s", verb, subject))
}

// askOfMany asks a question about tasks, of which it shows the first. nothing says that nothing was done, and without what to do where there is
// no terminal.
func (t *terminal) askOfMany(ctx context.Context, list []tasks.Item, question, nothing, without string) error {
	if !isTerminal(t.in) || !isTerminal(t.err) {
		return &codeError{exitConflict, errors.New(nothing + "; " + without)}
	}
	w := newFlusher(t.err)
	if err := writeAgain(w, list[:selectionShown], false); err != nil {
		return err
	}
	t.say("and %d more", len(list)-selectionShown)
	return t.ask(ctx, question, codeError{exitConflict, errors.New(nothing)}, "")
}

// asked reports whether the command line has a query.
func (o *activeQuery) asked() bool { return o.from.text != "" || o.from.saved != "" }

// meanwhile drops the error of a task of a query to which the command means nothing any more, as keep says: it has ended, or started,
// since it was found. Any other error stays, such as that of a job that was not started here.
func (o *activeQuery) meanwhile(q *tasks.Service, id record.ID, keep func(*record.Record) bool, err error) error {
	if !o.asked() || !errors.Is(err, record.ErrConflict) && !errors.Is(err, record.ErrNotFound) {
		return err
	}
	if v, ferr := q.Find(string(id)); errors.Is(ferr, record.ErrNotFound) || ferr == nil && !keep(v.Record) {
		return nil
	}
	return err
}

// A doneMany counts the tasks that match a query for which the command succeeded, and those for which it failed.
type doneMany struct {
	term       *terminal
	quiet      bool // they are too many for a line each
	done, left int
}

// many returns a count for n tasks, which is only said if they are many.
func (o *activeQuery) many(t *terminal, n int) *doneMany {
	return &doneMany{term: t, quiet: o.asked() && n > mostUnasked}
}

// one counts a task, and returns its error.
func (d *doneMany) one(err error) error {
	if err == nil {
		d.done++
	} else {
		d.left++
	}
	return err
}

// say says what was done with many tasks.
func (d *doneMany) say(what string) {
	if !d.quiet {
		return
	}
	left := ""
	if d.left > 0 {
		left = fmt.Sprintf("; %d not", d.left)
	}
	d.term.note("%s %s%s.", count(d.done, "task"), what, left)
}
