package tasks

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"qme/executor"
	"qme/gitstore"
	"qme/record"
	"qme/tasks/reruns"
)

// The orders of a listing.
const (
	SortStarted   = "started"   // by the start of the latest run, latest first
	SortOldest    = "oldest"    // SortStarted from its end
	SortCreated   = "created"   // newest task first
	SortDuration  = "duration"  // by the duration of the latest run, longest first
	SortMemory    = "memory"    // by the memory of the latest run, most first
	SortRelevance = "relevance" // most relevant first; only for a search
)

// Sorts lists the orders of List, the default first. It must not be changed.
var Sorts = []string{SortStarted, SortOldest, SortCreated, SortDuration, SortMemory}

// order returns the order in which tasks are listed, as of a commit. eager writes the list of
// reruns if it is out of date.
func (q *Service) order(ctx context.Context, sn *gitstore.Snapshot, eager bool) (*record.Order, error) {
	list := reruns.List{
		Path: filepath.Join(q.Home, reruns.FileName), Usual: executor.ShellName, Eager: eager, ReadOnly: q.ReadOnly,
		Warn: func(err error) { q.Warn("%v", err) },
	}
	show, done := q.progress("records read for the order of the listing")
	defer done()
	list.Progress = show
	return list.Order(ctx, sn, time.Now())
}

// CatchUpOrder updates the list of reruns, so that the next listing need not.
func (q *Service) CatchUpOrder(ctx context.Context) {
	sn, err := q.latest()
	if err == nil {
		_, err = q.order(ctx, sn, true)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		q.Warn("the order of listings: %v", err)
	}
}

// latest returns the history as of its newest commit.
func (q *Service) latest() (*gitstore.Snapshot, error) {
	store, err := q.Store()
	if err != nil {
		return nil, err
	}
	return store.Latest()
}

// progress is Service.Progress, if set.
func (q *Service) progress(what string) (show func(n int), done func()) {
	if q.Progress == nil {
		return nil, func() {}
	}
	return q.Progress(what)
}

// greatestFirst yields the items with the greatest keys first, at most limit of them unless
// limit is 0. It holds them in memory. Items with an error are yielded at once; one without an
// ID ends the sequence.
func greatestFirst[T any](items iter.Seq[T], limit int, result func(T) record.Result, key func(T) float64) iter.Seq[T] {
	return func(yield func(T) bool) {
		type keyed struct {
			item T
			key  float64
		}
		var all []keyed
		greatest := func() {
			slices.SortStableFunc(all, func(a, b keyed) int { return cmp.Compare(b.key, a.key) })
			if limit > 0 && len(all) > limit {
				clear(all[limit:])
				all = all[:limit]
			}
		}
		for item := range items {
			if res := result(item); res.Err != nil {
				if !yield(item) || res.ID == "" {
					return
				}
				continue
			}
			if all = append(all, keyed{item, key(item)}); limit > 0 && len(all) >= max(2*limit, 64) {
				greatest()
			}
		}
		greatest()
		for _, k := range all {
			if !yield(k.item) {
				return
			}
		}
	}
}

// lastFirst yields the items from the last one to the first, at most limit of them unless limit is
// 0. Otherwise it is as greatestFirst.
func lastFirst[T any](items iter.Seq[T], limit int, result func(T) record.Result) iter.Seq[T] {
	at := 0.0
	return greatestFirst(items, limit, result, func(T) float64 { at++; return at })
}

// keyOf returns what an order sorts the latest runs by, the greatest first; nil if that is not in
// their records.
func keyOf(sort string, now time.Time) func(*record.Record) float64 {
	switch sort {
	case SortDuration:
		return func(r *record.Record) float64 { return durationKey(r, now) }
	case SortMemory:
		return func(r *record.Record) float64 { return float64(r.Memory()) }
	}
	return nil
}

// durationKey returns the duration of a run in seconds, up to now if it is active, or -1 if it
// is unknown.
func durationKey(rec *record.Record, now time.Time) float64 {
	took, ok := rec.Took(now)
	if !ok {
		return -1
	}
	return took.Seconds()
}
