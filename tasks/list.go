package tasks

import (
	"context"
	"iter"
	"slices"
	"time"

	"qme/index/query"
	"qme/record"
)

// A Filter selects tasks. The zero value selects all.
type Filter struct {
	Executor string
	Prefix   string          // of the UUID
	Outcomes record.Outcomes // only these; 0 means all
	Host     string          // only runs of this machine; "" means any
	User     string          // only runs of this user; "" means any
	Limit    int             // at most this many; 0 means all
	Since    time.Time       // only runs that began then or later; the zero time means any
	// Query, if not nil, has only tasks be listed that answer to it. They are found by the index.
	Query *query.Query
	// Cleared has the tasks be listed that were cleared, and no others.
	Cleared bool
	Brief   bool   // read only the fields that a table shows; see record.DecodeBrief
	Sort    string // one of Sorts; "" is the default
}

func (f Filter) match(r *record.Record) bool {
	return (f.Outcomes == 0 || f.Outcomes.Has(r.Outcome(), r.Data.Status)) &&
		(f.Host == "" || r.Data.Host == f.Host) && (f.User == "" || r.Data.User == f.User) &&
		(f.Since.IsZero() || !r.Data.Timestamp.Before(f.Since))
}

// An Item is one task of a listing.
type Item struct {
	record.Result
	// Short is the task's short name: see record.ID.Short.
	Short string
	// Cleared is the removal of the task with Filter.Cleared, else nil.
	Cleared *record.Clearing
}

// List yields the tasks that match the filter. An uncommitted run replaces the stored one. A record that
// cannot be read is yielded with its error, whatever the filter, and the listing continues. An item without
// an ID ends it.
func (q *Service) List(f Filter) iter.Seq[Item] {
	if f.Query != nil || f.Cleared || !f.Since.IsZero() && f.Sort != "" && f.Sort != SortStarted {
		return q.matching(f)
	}
	v, damage, err := q.listed(f.Sort != SortCreated)
	if err != nil {
		return failing(err)
	}
	if damage != nil { // list the readable records anyway
		q.warnUnordered(damage)
	}
	v.NotQueued = f.Outcomes != 0 && !f.Outcomes.MayHave(record.Queued)
	rg := record.Range{Executor: f.Executor, Prefix: f.Prefix, Brief: f.Brief && f.Sort != SortMemory, Reversed: f.Sort == SortOldest}
	results := v.since(rg, f.Since)
	if f.Outcomes != 0 && f.Outcomes&^record.ActiveOnes == 0 {
		results = v.Open(rg)
	}
	items := q.chosen(f, v.named(results))
	if key := keyOf(f.Sort, time.Now()); key != nil {
		items = greatestFirst(items, f.Limit, func(i Item) record.Result { return i.Result }, func(i Item) float64 { return key(i.Record) })
	}
	return items
}

// failing yields an error that ends a listing.
func failing(err error) iter.Seq[Item] {
	return func(yield func(Item) bool) { yield(Item{Result: record.Result{Err: err}}) }
}

// since yields, in the order of the view, the tasks of a range whose latest runs may have begun at a time
// or later, without reading those before. What came before it by the ids alone is not left out.
func (v *View) since(rg record.Range, at time.Time) iter.Seq[record.Result] {
	if at.IsZero() || v.Order == nil {
		return v.Records(rg)
	}
	return func(yield func(record.Result) bool) {
		for res := range v.Records(rg) {
			if res.ID != "" && v.Order.Before(res.ID, at) {
				v.future(rg)(yield)
				return
			}
			if !yield(res) {
				return
			}
		}
	}
}

// future yields the tasks of a range that come last because they are of the future.
func (v *View) future(rg record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		var list []record.Result
		rg.Reversed = true
		for res := range v.Records(rg) {
			if res.ID != "" && !v.Order.Future(v.Order.Place(res.ID)) {
				break
			}
			list = append(list, res)
		}
		for _, res := range slices.Backward(list) {
			if !yield(res) {
				return
			}
		}
	}
}

// warnUnordered says why a listing is not in the order of the latest runs.
func (q *Service) warnUnordered(damage error) {
	q.Warn("tasks are listed by when they were made, since it cannot be read when they were run last: %v", damage)
}

// listed returns the tasks in the order of a listing. damage is as for View.latestFirst.
func (q *Service) listed(byRun bool) (v *View, damage, err error) {
	if v, err = q.View(); err != nil {
		return nil, nil, err
	}
	damage, err = v.latestFirst(context.Background(), byRun)
	return v, damage, err
}

// chosen yields the items that match the filter. It applies the limit unless the items still
// have to be sorted.
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
			if !yield(item) || f.Limit > 0 && n >= f.Limit && f.Sort != SortDuration && f.Sort != SortMemory {
				return
			}
		}
	}
}

// named adds the short names.
func (v *View) named(results iter.Seq[record.Result]) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for res := range results {
			item := Item{Result: res}
			if res.ID != "" {
				var err error
				if item.Short, err = v.Short(res.ID, res.Unique); err != nil {
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
