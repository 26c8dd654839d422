package tasks

import (
	"context"
	"fmt"
	"iter"

	"qme/index"
	"qme/index/query"
	"qme/record"
)

// A Selection is the tasks that a query selects at a moment.
type Selection struct {
	IDs   []record.ID // in the order of a listing
	First []Item      // the first ones, with the fields that a table shows
}

// selectionShown is how many tasks Selection.First has at most.
const selectionShown = 10

// Matching returns the tasks that answer to a query and are in outcomes; 0 is any. A task that
// cannot be read is left out with a warning.
func (q *Service) Matching(what *query.Query, outcomes record.Outcomes) (*Selection, error) {
	s := new(Selection)
	for item := range q.List(Filter{Query: what, Outcomes: outcomes, Brief: true}) {
		switch {
		case item.Err != nil && item.ID == "":
			return nil, item.Err
		case item.Err != nil:
			q.Warn("%v", item.Err)
			continue
		}
		if s.IDs = append(s.IDs, item.ID); len(s.First) < selectionShown {
			s.First = append(s.First, item)
		}
	}
	return s, nil
}

// Selected returns tasks as a selection, in their order. Those that cannot be read are not among the first.
func (q *Service) Selected(ids []record.ID) (*Selection, error) {
	v, err := q.View()
	if err != nil {
		return nil, err
	}
	s := &Selection{IDs: ids}
	for _, id := range ids[:min(len(ids), selectionShown)] {
		rec, err := q.task(id)
		if err != nil {
			q.Warn("%v", err)
			continue
		}
		short, err := v.Short(id, 0)
		if err != nil {
			return nil, err
		}
		s.First = append(s.First, Item{Result: record.Result{ID: id, Record: rec}, Short: short})
	}
	return s, nil
}

// SelectMatching is Select for a query: it returns the tasks that answer to it, none if there are
// none.
func (q *Service) SelectMatching(what *query.Query) (*Selection, error) {
	s, err := q.Matching(what, 0)
	if err != nil {
		return nil, err
	}
	if err := q.noneRuns(s.IDs); err != nil {
		return nil, fmt.Errorf("%w; -status:active in the query leaves out what has not ended", err)
	}
	return s, nil
}

// matching is List for a filter of which the index finds the tasks.
func (q *Service) matching(f Filter) iter.Seq[Item] {
	what := f.Query
	if what == nil {
		what = new(query.Query)
	}
	if !f.Since.IsZero() {
		what = query.All(what, query.Since(f.Since))
	}
	s, err := q.Search(context.Background(), what, SearchOptions{Sort: f.Sort, Limit: f.Limit, Whole: !f.Brief, Cleared: f.Cleared, only: &f})
	if err != nil {
		return failing(err)
	}
	items := func(yield func(Item) bool) {
		for found := range s.Found {
			item := Item{Result: found.Result, Cleared: found.Cleared}
			if item.ID != "" {
				var err error
				if item.Short, err = s.Short(found); err != nil {
					yield(Item{Result: record.Result{Err: err}})
					return
				}
			}
			if !yield(item) {
				return
			}
		}
	}
	return q.chosen(f, items)
}

// admits reports whether the filter admits a result, apart from its query. Of one that cannot be
// read only the id is known.
func (f Filter) admits(res record.Result) bool {
	rg := record.Range{Executor: f.Executor, Prefix: f.Prefix}
	return res.ID == "" || rg.Has(res.ID) && (res.Err != nil || f.match(res.Record))
}

// admitted yields the results that a filter admits, all if it is nil.
func admitted(found iter.Seq[index.Found], f *Filter) iter.Seq[index.Found] {
	if f == nil {
		return found
	}
	return func(yield func(index.Found) bool) {
		for one := range found {
			if f.admits(one.Result) && !yield(one) {
				return
			}
		}
	}
}
