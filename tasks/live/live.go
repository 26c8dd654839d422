// Package live offers the tasks of a home to a server: it reads tasks, finds changes and runs
// the use cases. It is safe for concurrent use.
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
	"qme/tasks/waiting"
)

// A Home gives access to the tasks of a home. Once its fields are set, its methods are safe for
// concurrent use. Their errors wrap the sentinels of package record and tasks.ErrReference.
type Home struct {
	Store   *gitstore.Store
	Service *tasks.Service // each call uses a copy

	clearing  sync.Mutex // each clear is one commit, one at a time
	rerunning sync.Map   // by record.ID: tasks that are being rerun
}

func (h *Home) service() *tasks.Service {
	q := *h.Service
	return &q
}

// Head returns the newest commit. It is cheap enough to be called many times a second.
func (h *Home) Head() (string, error) { return h.Store.Head() }

// Latest returns the newest commit and its records without their output, newest task first. A
// result without an ID ends the sequence.
func (h *Home) Latest() (commit string, records iter.Seq[record.Result], err error) {
	sn, err := h.Store.Latest()
	if err != nil {
		return "", nil, err
	}
	return sn.Commit(), sn.Records(record.Range{Brief: true}), nil
}

// Differences returns the tasks that differ between two commits, as they are in the later one.
// A result with neither record nor error is a removed task. An empty from stands for a history
// without tasks.
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

// Recover commits the runs of dead processes from the spool.
func (h *Home) Recover(ctx context.Context) error { return h.service().RecoverSoon(ctx) }

// Queue returns a watch of the tasks that wait in the queue.
func (h *Home) Queue() *waiting.Watch { return h.Service.Waiting.Watch() }

// Queued returns the record of a task that waits in the queue. The error wraps record.ErrNotFound if it
// does not.
func (h *Home) Queued(id record.ID) (*record.Record, error) { return h.service().Queued(id) }

// Find returns a run of the task that ref names. Number 0 is the latest run.
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

// Runs yields the runs of the task that ref names, latest first.
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

// Search returns the tasks that match a query of "qme search". Days are those of the time zone
// of now. The error of an invalid query is a *query.SyntaxError.
func (h *Home) Search(ctx context.Context, text string, now time.Time) (ids []record.ID, err error) {
	dir, err := os.UserHomeDir()
	if err != nil {
		dir = "" // leave ~ as it is
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

// Clear clears all of the tasks in one commit, or none on error, and returns their number.
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

// Refresh asks about the open jobs and records changes. The error includes all warnings. For the
// same failure it has the same text each time.
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
