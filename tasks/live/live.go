// Package live offers the tasks of a home to a server: what there is, what changes, and the
// use cases, to any number of goroutines at a time.
package live

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"sync"
	"time"

	"qme/gitstore"
	"qme/index/query"
	"qme/record"
	"qme/tasks"
)

// A Home is the tasks of a home. Its methods may be called from several goroutines, once its
// fields are set. Their errors wrap the sentinels of package record and tasks.ErrReference.
type Home struct {
	Store   *gitstore.Store
	Service *tasks.Service // of which each call takes a copy

	clearing  sync.Mutex // one clear at a time: each is one commit
	rerunning sync.Map   // by record.ID: the tasks that are being started again
}

func (h *Home) service() *tasks.Service {
	q := *h.Service
	return &q
}

// Head returns the newest commit. It may be asked many times a second.
func (h *Home) Head() (string, error) { return h.Store.Head() }

// Latest returns the newest commit and its records without their output, the newest task
// first. A result without an ID ends them.
func (h *Home) Latest() (commit string, records iter.Seq[record.Result], err error) {
	sn, err := h.Store.Latest()
	if err != nil {
		return "", nil, err
	}
	return sn.Commit(), sn.Records(record.Range{Brief: true}), nil
}

// Differences returns the tasks that differ between two commits as they are in the later one:
// without record and error, a task is gone. An empty from is a history without tasks.
func (h *Home) Differences(ctx context.Context, from, to string) (list []record.Result, err error) {
	for d, err := range h.Store.Differences(ctx, from, to) {
		if err != nil {
			return nil, err
		}
		rec, err := d.New()
		list = append(list, record.Result{ID: d.ID, Record: rec, Err: err})
	}
	return list, nil
}

// Recover commits what dead processes have left in the spool.
func (h *Home) Recover(ctx context.Context) error { return h.service().RecoverSoon(ctx) }

// Find returns a run of the task that ref names; number 0 is the latest run.
func (h *Home) Find(ref string, number int) (tasks.Version, error) {
	if number > 0 {
		return h.service().Find(fmt.Sprintf("%s@%d", ref, number))
	}
	v, err := h.service().Find(ref)
	if err == nil && v.Number == 0 {
		v.Number = max(v.Record.Data.Run, 1)
	}
	return v, err
}

// Runs yields the runs of the task that ref names, the latest first.
func (h *Home) Runs(ref string) iter.Seq2[tasks.Version, error] { return h.service().Runs(ref) }

// Compare compares two runs of the task that ref names.
func (h *Home) Compare(ref string, a, b int) (*tasks.Comparison, error) {
	from, err := h.Find(ref, a)
	if err != nil {
		return nil, err
	}
	to, err := h.Find(ref, b)
	if err != nil {
		return nil, err
	}
	return h.service().Compare(from, to, tasks.DiffLimit)
}

// Search returns the tasks that a query of "qme search" finds, whose days are those of the
// zone of now. The error of a query that makes no sense is a *query.SyntaxError.
func (h *Home) Search(ctx context.Context, text string, now time.Time) (ids []record.ID, err error) {
	dir, err := os.UserHomeDir()
	if err != nil {
		dir = "" // then ~ stays as it is
	}
	q, err := query.Parse(text, query.Options{Now: now, Home: dir})
	if err != nil {
		return nil, err
	}
	search, err := h.service().Search(ctx, q, tasks.SearchOptions{Sort: tasks.SortCreated})
	if err != nil {
		return nil, err
	}
	for f := range search.Found {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case f.ID == "":
			return nil, f.Err
		case f.Err == nil:
			ids = append(ids, f.ID)
		}
	}
	return ids, nil
}

// Clear clears tasks in one commit, or none of them, and returns how many that were.
func (h *Home) Clear(ctx context.Context, ids []record.ID) (int, error) {
	h.clearing.Lock()
	defer h.clearing.Unlock()
	refs := make([]string, len(ids))
	for i, id := range ids {
		refs[i] = string(id)
	}
	q := h.service()
	ids, err := q.SelectTasks(refs)
	if err != nil {
		return 0, err
	}
	what := string(ids[0])
	if len(ids) > 1 {
		what = fmt.Sprintf("%d tasks", len(ids))
	}
	if _, err := q.Clear(ctx, what, ids); err != nil {
		return 0, err
	}
	if err := q.Follow(tasks.AfterChange); err != nil {
		q.Warn("%v", err)
	}
	return len(ids), nil
}

// Refresh asks how the open jobs go and records what is new. The error is what kept it from
// that, warnings included; it says the same again when it is the same.
func (h *Home) Refresh(ctx context.Context) error {
	q := h.service()
	var errs []error
	q.Warn = func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	all, err := q.Refresh(ctx)
	for _, r := range all {
		errs = append(errs, r.Err)
	}
	if slices.ContainsFunc(all, func(r tasks.Refreshed) bool { return r.Changed }) {
		errs = append(errs, q.Follow(tasks.AfterRefresh))
	}
	return errors.Join(append(errs, err)...)
}
