package tasks

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"qme/executor"
	"qme/record"
)

// A Filter chooses tasks. The zero value chooses all.
type Filter struct {
	Executor string
	Prefix   string // of the UUID
	Failed   bool   // those that have failed: see record.Failed
	Running  bool   // with those whose job goes on
	Host     string // only runs of this machine; "" means any
	User     string // only runs of this user; "" means any
	Limit    int    // at most so many; 0 means all
	Brief    bool   // read what a table shows: see record.DecodeBrief
	Sort     string // one of Sorts; "" is the default
}

func (f Filter) match(r *record.Record) bool {
	return (!f.Failed || r.Failed()) && (!f.Running || r.Active()) &&
		(f.Host == "" || r.Data.Host == f.Host) && (f.User == "" || r.Data.User == f.User)
}

// An Item is one task of a listing.
type Item struct {
	record.Result
	// Short is the task's short name: see record.ID.Short.
	Short string
}

// A Listing is some tasks in an order.
type Listing struct {
	// Mixed is that of record.Order.
	Mixed bool
	// Items yields the tasks, a run in flight in place of the one before it. A record that
	// cannot be read is yielded with its error, whatever the filter, and the listing goes
	// on; a result without an ID ends it.
	Items iter.Seq[Item]
}

// List is Listing for one who needs the tasks alone.
func (q *Service) List(f Filter) iter.Seq[Item] { return q.Listing(f).Items }

// Listing returns the tasks that the filter chooses.
func (q *Service) Listing(f Filter) Listing {
	v, err := q.view(f.Sort != SortCreated)
	if err != nil {
		return Listing{Items: func(yield func(Item) bool) { yield(Item{Result: record.Result{Err: err}}) }}
	}
	if v.err != nil { // what can be read is shown all the same
		q.Warn("tasks are listed by when they were made, since it cannot be read when they were run last: %v", v.err)
	}
	rg := record.Range{Executor: f.Executor, Prefix: f.Prefix, Brief: f.Brief, Order: v.order}
	items := q.chosen(f, v.named(v.records(rg, f.Running)))
	if f.Sort == SortDuration {
		now := time.Now()
		items = greatestFirst(items, f.Limit, func(i Item) record.Result { return i.Result }, func(i Item) float64 { return durationKey(i.Record, now) })
	}
	return Listing{v.mixed, items}
}

// chosen yields the items that a filter chooses; how many it bounds itself where they are
// in order.
func (q *Service) chosen(f Filter, items iter.Seq[Item]) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		n := 0
		for item := range items {
			if item.Err == nil {
				if !f.match(item.Record) {
					continue
				}
				n++
			}
			if !yield(item) || f.Limit > 0 && n >= f.Limit && f.Sort != SortDuration {
				return
			}
		}
	}
}

// A view is the tasks as they are at one moment.
type view struct {
	q      *Service
	flying []record.Result // in order
	order  *record.Order   // nil: that of the ids
	mixed  bool            // as in record.Order, of the runs in flight as well
	err    error           // what is damaged, so that the order of the runs is not known
}

// view looks first at what is in flight: a run that ends meanwhile is then seen in one of
// the two.
func (q *Service) view(byRun bool) (*view, error) {
	flying, err := q.inFlight(record.Range{})
	if err != nil {
		return nil, err
	}
	v := &view{q: q, flying: flying, mixed: true}
	sn, err := q.latest()
	if err != nil {
		return nil, err
	}
	o, err := q.order(context.Background(), sn, false)
	if errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrInvalid) {
		v.err = err
		return v, nil
	} else if err != nil {
		return nil, err
	}
	var recs []*record.Record
	v.mixed = o.Mixed
	for _, res := range flying {
		v.mixed = v.mixed || res.ID.Executor() != executor.ShellName
		if res.Err == nil {
			recs = append(recs, res.Record)
		}
	}
	if byRun {
		v.order = o.With(recs)
	}
	slices.SortFunc(v.flying, func(a, b record.Result) int { return v.order.Compare(a.ID, b.ID) })
	return v, nil
}

// inRange returns the runs in flight of a range.
func (v *view) inRange(rg record.Range) []record.Result {
	return slices.DeleteFunc(slices.Clone(v.flying), func(r record.Result) bool { return !rg.Has(r.ID) })
}

// named adds the short names.
func (v *view) named(results iter.Seq[record.Result]) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for res := range results {
			item := Item{Result: res}
			if res.ID != "" {
				var err error
				if item.Short, err = v.short(res.ID, res.Unique); err != nil {
					yield(Item{Result: record.Result{Err: err}})
					return
				}
			}
			if !yield(item) {
				return
			}
		}
	}
}

// short returns a task's short name.
func (v *view) short(id record.ID, unique int) (string, error) {
	apart := func(other record.ID) {
		if other != id {
			unique = max(unique, id.SharedWith(other)+1)
		}
	}
	if unique == 0 {
		store, err := v.q.Store()
		if err != nil {
			return "", err
		}
		for other, err := range store.IDs(record.Range{Prefix: id.Millisecond()}) {
			if err != nil {
				return "", err
			}
			apart(other)
		}
	}
	for _, f := range v.flying {
		apart(f.ID)
	}
	return id.Short(unique), nil
}

// records merges the history and the runs in flight, in the order of the range.
func (v *view) records(rg record.Range, flyingOnly bool) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		flying := v.inRange(rg)
		stored := v.q.openRecords(rg)
		if !flyingOnly {
			store, err := v.q.Store()
			if err != nil {
				yield(record.Result{Err: err})
				return
			}
			stored = store.Records(rg)
		}
		for res := range stored {
			for res.ID != "" && len(flying) > 0 && v.order.Compare(flying[0].ID, res.ID) < 0 {
				if !yield(flying[0]) {
					return
				}
				flying = flying[1:]
			}
			if len(flying) > 0 && flying[0].ID == res.ID {
				unique := res.Unique
				res, flying = flying[0], flying[1:]
				res.Unique = unique
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

// openRecords yields the tasks of a range whose job goes on, in its order.
func (q *Service) openRecords(rg record.Range) iter.Seq[record.Result] {
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
		slices.SortFunc(ids, rg.Order.Compare)
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
