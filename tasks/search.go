package tasks

import (
	"context"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"qme/index"
	"qme/index/query"
	"qme/record"
)

// firstIndexWait is how long a search waits for another process that makes the index. To
// look at each record takes as long, and slows the other one down.
const firstIndexWait = 20 * time.Second

// SearchOptions say what a search looks at and what it returns.
type SearchOptions struct {
	Sort    string // SortRelevance or one of Sorts; "" is the default of those
	Limit   int    // how many of them are wanted, where they are not found in order; 0 is all
	AllRuns bool   // look at the earlier runs of each task, too
	Whole   bool   // read all of the records that are found: see index.Search
}

// A Search is the tasks that answer to a query.
type Search struct {
	// Mixed is that of record.Order; true where it is not known.
	Mixed bool
	// Found yields what is found, in order. A task that cannot be read is yielded with its
	// error, and the search goes on; an error without an ID ends it.
	Found iter.Seq[index.Found]
	// Short returns the short name of a task that was found.
	Short func(f index.Found) (string, error)
	// Over returns how many streams were longer than Settings.Searched, when it has ended.
	Over func() int
}

// Search finds the tasks that answer to a query, an uncommitted run in place of the one before
// it.
func (q *Service) Search(ctx context.Context, what *query.Query, o SearchOptions) (*Search, error) {
	v, err := q.searched()
	if err != nil {
		return nil, err
	}
	s := &index.Search{
		Source: v.history, Query: what, Limit: q.Settings.Searched, Whole: o.Whole, Hold: o.Sort == SortRelevance || o.Sort == SortDuration, MaxWait: firstIndexWait,
		Waiting: func() {
			q.tell("Another process is making the search index; this one waits for it, at most %s.", firstIndexWait)
		},
		Warn: func(err error) { q.Warn("%v", err) },
	}
	s.Progress, s.Indexed = q.progress("tasks indexed for searching")
	if o.AllRuns {
		s.Earlier = q.earlierRuns
	}
	for _, res := range v.uncommitted {
		s.Added = append(s.Added, index.Run{Record: res.Record, Stream: Version{Record: res.Record, service: q}.Stream})
	}
	if o.Sort == "" || o.Sort == SortStarted {
		damage, err := v.latestFirst(ctx, true)
		if err != nil {
			return nil, err
		}
		if damage != nil {
			q.Warn("the newest task comes first, since it cannot be read when tasks were run last: %v", damage)
		}
		s.Order = v.Order
	}
	return &Search{
		Mixed: v.Mixed, Over: s.Over, Found: sorted(s.Run(ctx, filepath.Join(q.Home, "index")), what, o),
		Short: func(f index.Found) (string, error) { return v.Short(f.ID, f.Unique) },
	}, nil
}

// searched returns the tasks that can be searched. What cannot be read of the spool is left
// out, and said.
func (q *Service) searched() (*View, error) {
	uncommitted, err := q.Spool.List(q.Settings.Inline)
	if err != nil {
		q.Warn("%v", err)
	}
	uncommitted = slices.DeleteFunc(uncommitted, func(res record.Result) bool {
		if res.Err != nil {
			q.Warn("%v", res.Err)
		}
		return res.Err != nil
	})
	return q.viewWith(uncommitted)
}

// sorted brings what is found into an order that is not that of the search.
func sorted(found iter.Seq[index.Found], what *query.Query, o SearchOptions) iter.Seq[index.Found] {
	now := time.Now()
	var key func(index.Found) float64
	switch o.Sort {
	case SortDuration:
		key = func(f index.Found) float64 { return durationKey(f.Record, now) }
	case SortRelevance:
		key = func(f index.Found) float64 { return what.Relevance(f.Doc) }
	default:
		return found
	}
	return greatestFirst(found, o.Limit, func(f index.Found) record.Result { return f.Result }, key)
}

// earlierRuns yields the runs of a task before its latest.
func (q *Service) earlierRuns(rec *record.Record) iter.Seq2[index.Run, error] {
	return func(yield func(index.Run, error) bool) {
		for v, err := range q.Earlier(rec) {
			if !yield(index.Run{Record: v.Record, Stream: v.Stream, Number: v.Number}, err) {
				return
			}
		}
	}
}
