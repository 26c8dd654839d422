package cli

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"time"

	"qme/executor"
	"qme/record"
	"qme/tasks/reruns"
)

// listOrder returns the order in which tasks are listed, as of the newest commit.
func (a *app) listOrder(ctx context.Context) (*record.Order, error) {
	latest, err := a.latest()
	if err != nil {
		return nil, err
	}
	return a.orderOf(ctx, latest)
}

// catchUpOrder brings the list by which tasks are ordered up to date, so that the next
// listing need not.
func (a *app) catchUpOrder(ctx context.Context) {
	latest, err := a.latest()
	if err == nil {
		a.eager = true
		_, err = a.orderOf(ctx, latest)
		a.eager = false
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		a.warn("the order of listings: %v", err)
	}
}

// orderOf is listOrder as of a commit.
func (a *app) orderOf(ctx context.Context, s source) (*record.Order, error) {
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	list := reruns.List{
		Path: filepath.Join(home, reruns.FileName), Usual: executor.ShellName, Eager: a.eager, ReadOnly: a.silent,
		Warn: func(err error) { a.warn("%v", err) },
	}
	show, done := a.patientProgress("records read for the order of the listing")
	list.Progress = show
	defer done()
	return list.Order(ctx, ordered{s}, time.Now())
}

// ordered is a source as reruns wants it.
type ordered struct{ source }

// Changes implements reruns.Source.
func (s ordered) Changes(ctx context.Context, from string) iter.Seq2[reruns.Change, error] {
	return func(yield func(reruns.Change, error) bool) {
		for d, err := range s.store.Differences(ctx, from, s.Commit()) {
			if !yield(reruns.Change{ID: d.ID, Gone: err == nil && d.Removed()}, err) {
				return
			}
		}
	}
}
