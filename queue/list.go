package queue

import (
	"errors"
	"iter"

	"qme/record"
)

// A Filter chooses tasks. The zero value chooses all.
type Filter struct {
	Executor string
	Failed   bool   // those that have failed: see record.Failed
	Running  bool   // with those whose job goes on
	Host     string // only runs of this machine; "" means any
	User     string // only runs of this user; "" means any
	Limit    int    // at most so many; 0 means all
	Brief    bool   // read what a table shows: see record.DecodeBrief
}

func (f Filter) match(r *record.Record) bool {
	return (!f.Failed || r.Failed()) && (!f.Running || r.Active()) &&
		(f.Host == "" || r.Data.Host == f.Host) && (f.User == "" || r.Data.User == f.User)
}

// An Item is one task of a listing.
type Item struct {
	record.Result
	// Short is the beginning of the id that is enough to name the task, its
	// executor included.
	Short string
}

// shortest is how much of the UUID a short id shows at least: two thirds of a
// minute, so that it stays enough while tasks are added now and then.
const shortest = 8

// List yields the tasks that the filter chooses, newest first, a run in flight
// in place of the one before it. A record that cannot be read is yielded with its
// error, whatever the filter, and the listing goes on; a result without an ID
// ends it.
func (q *Queue) List(f Filter) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		n := 0
		for item := range withShort(q.records(record.Range{Executor: f.Executor, Brief: f.Brief}, f.Running)) {
			if item.Err == nil {
				if !f.match(item.Record) {
					continue
				}
				n++
			}
			if !yield(item) || f.Limit > 0 && n >= f.Limit {
				return
			}
		}
	}
}

// withShort adds the short ids. The tasks come in the order of their UUIDs, so
// that of all others a task's neighbours have most in common with it.
func withShort(results iter.Seq[record.Result]) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		var held record.Result
		var before record.ID
		emit := func(after record.ID) bool {
			n := max(shortest, common(held.ID, before)+1, common(held.ID, after)+1)
			uuid := held.ID.UUID()
			item := Item{Result: held, Short: held.ID.Executor() + "-" + uuid[:min(n, len(uuid))]}
			before = held.ID
			return yield(item)
		}
		for res := range results {
			if held.ID != "" && !emit(res.ID) {
				return
			}
			if held = res; res.ID == "" {
				yield(Item{Result: res})
				return
			}
		}
		if held.ID != "" {
			emit("")
		}
	}
}

// common counts the characters with which the UUIDs of both begin.
func common(a, b record.ID) int {
	x, y := a.UUID(), b.UUID()
	n := 0
	for n < min(len(x), len(y)) && x[n] == y[n] {
		n++
	}
	return n
}

// records merges the history and the runs in flight.
func (q *Queue) records(rg record.Range, flyingOnly bool) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		flying, err := q.inFlight(rg)
		if err != nil {
			yield(record.Result{Err: err})
			return
		}
		stored := q.openRecords(rg)
		if !flyingOnly {
			store, err := q.Store()
			if err != nil {
				yield(record.Result{Err: err})
				return
			}
			stored = store.Records(rg)
		}
		for res := range stored {
			for res.ID != "" && len(flying) > 0 && flying[0].ID.UUID() > res.ID.UUID() {
				if !yield(flying[0]) {
					return
				}
				flying = flying[1:]
			}
			if len(flying) > 0 && flying[0].ID == res.ID {
				res, flying = flying[0], flying[1:]
			}
			if !yield(res) {
				return
			}
		}
		for _, res := range flying {
			if !yield(res) {
				return
			}
		}
	}
}

// openRecords yields the tasks of a range whose job goes on, newest first.
func (q *Queue) openRecords(rg record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		ids, err := q.Jobs.IDs()
		if err != nil {
			yield(record.Result{Err: err})
			return
		}
		if len(ids) == 0 {
			return // without a look at the history
		}
		store, err := q.Store()
		if err != nil {
			yield(record.Result{Err: err})
			return
		}
		for _, id := range ids {
			if !rg.Has(id) {
				continue
			}
			rec, err := store.Get("", id)
			if errors.Is(err, record.ErrNotFound) {
				continue // its first run is in flight, or it was cleared
			}
			if !yield(record.Result{ID: id, Record: rec, Err: err}) {
				return
			}
		}
	}
}
