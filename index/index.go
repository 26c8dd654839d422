// Package index finds the tasks that answer to a query: with an index of the text of
// all records, which is disposable, or by looking at each record. What is found is the
// same.
package index

import (
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"qme/index/query"
	"qme/internal/ordered"
	"qme/record"
)

// A Source is the history as of one commit. Its methods may be called from several
// goroutines.
type Source interface {
	// Commit names it.
	Commit() string
	// Records yields the records in a range, in its order. One that cannot be read has
	// an error; a result without an ID ends it.
	Records(rg record.Range) iter.Seq[record.Result]
	// Select is Records of those of the tasks that are there, newest first.
	Select(ids []record.ID, brief bool) iter.Seq[record.Result]
	// Stream returns the bytes of a record's stream, as far as they are stored.
	Stream(rec *record.Record, name record.StreamName) (io.ReadCloser, error)
	// Files returns all files of the record's run that are recorded, also those that the record does
	// not list.
	Files(rec *record.Record) (*record.Files, error)
	// Changes yields the tasks that are different in the commit from, which may be gone
	// or no ancestor. It ends at the first error.
	Changes(ctx context.Context, from string) iter.Seq2[record.Difference, error]
	// Earlier yields the runs of a task before that of its record, the latest first.
	Earlier(rec *record.Record) iter.Seq2[Run, error]
	// Cleared returns the tasks that commits after since, all for "", have removed and that are
	// not there. The error wraps record.ErrNotFound when since is no ancestor, else it is ctx's.
	Cleared(ctx context.Context, since string) (record.Cleared, error)
	// At returns the history as of another commit.
	At(commit string) (Source, error)
}

// A Run is one that a Source does not yield: it is not in the history yet, or it is not
// its task's latest.
type Run struct {
	Record *record.Record
	Stream func(record.StreamName) (io.ReadCloser, error)
	// Files returns all files of the run that are recorded; nil means those that the record lists.
	Files  func() (*record.Files, error)
	Number int // of an earlier run: which of the task's runs it is, from 1; else 0
}

// A Search is one question. Its fields are set once; it is for one goroutine.
type Search struct {
	Source Source
	Query  *query.Query
	// Added are runs that the Source does not have, each in place of what it has of the same
	// task.
	Added []Run
	// Order is that in which tasks are found, of this commit and with the added runs; nil is
	// the newest task first.
	Order *record.Order
	// Limit is how many bytes of a stream that is stored beside its record are
	// searched. Of a longer one that, and the preview in the record.
	Limit int64
	// Whole has records read with all that is in them. Without it those that are found
	// may have no more than their id, executor, texts, times, status and return code.
	Whole bool
	// Texts has Found.Doc have the streams of what is found, also where the query does not look at them.
	Texts bool
	// Printed has Found.Printed be set.
	Printed bool
	// Hold says that what is found is still looked at when all of it has been.
	Hold bool
	// AllRuns has the earlier runs of tasks looked at, too. They are found in the order of
	// all runs.
	AllRuns bool
	// EarlierOnly, with AllRuns, allows the index to leave out the latest runs.
	EarlierOnly bool
	// Cleared has the tasks searched that were cleared, with the runs to which their last
	// records lead, and no others.
	Cleared bool
	// Ready has only an index asked that is there and is nearly up to date, so that the search
	// costs little. Without one nothing is found, and FromIndex is false.
	Ready bool
	// Later leaves an index that is missing or out of date as it is where at most MostLater tasks have to be looked at in its place:
	// Due reports whether CatchUp should follow. It is for searches that look at all of what they find anyway.
	Later bool
	// Few reports, for Later, whether the Source has at most MostLater tasks.
	Few func() bool

	// Progress, if not nil, is told how many tasks have been indexed.
	Progress func(tasks int)
	// Indexed, if not nil, is called when that has ended.
	Indexed func()
	// MaxWait is how long the search waits, where there is no index, for another process
	// that makes it. Then it looks at each record.
	MaxWait time.Duration
	// Waiting, if not nil, is called when that takes more than a moment.
	Waiting func()
	// Warn is told why the index cannot be used.
	Warn func(error)

	noIndex bool        // Run has done without
	due     bool        // see Due
	eager   bool        // the index is brought up to date if anything has changed
	tooLong int         // streams over Limit
	damaged atomic.Bool // a block of the index was not what it should be
	// fresh are the tasks whose streams the index has not counted, nil when that is all.
	fresh map[record.ID]bool
}

// A Found is a task that answers to the query, or, with an error, one that could not be
// read. Without an ID the search could not go on.
type Found struct {
	record.Result
	Doc    *query.Doc
	Number int // as in Run
	// Cleared is the removal of a task that was cleared, nil for any other.
	Cleared *record.Clearing
	// Partial says that what Doc has of the streams is not all that was printed: more than Search.Limit, or more than was stored.
	// It is not known of a run that is read without its streams; see Search.Texts.
	Partial bool
	// Overwritten says that of the lines that Doc has of the streams some may have been written over others, as by a progress bar.
	// It is known where Partial is.
	Overwritten bool
	// Printed, if it is set and Partial is not, returns the metrics that the output has by itself; see metric.Printed.
	Printed func() record.Metrics

	files  func() (*record.Files, error) // as in Run
	source Source                        // which has the earlier runs
	place  docID                         // in the order of the search
	hit    bool                          // it is known to answer
}

// Over returns how many streams are longer than Limit, of those that the search has
// come by.
func (s *Search) Over() int { return s.tooLong }

// Due reports, of a search with Later, whether the index should be made or brought up to date. It is known when the first task was found,
// or none.
func (s *Search) Due() bool { return s.due }

// FromIndex reports whether Run has used an index.
func (s *Search) FromIndex() bool { return !s.noIndex }

// Scan looks at each record, in the order of the search.
func (s *Search) Scan(ctx context.Context) iter.Seq[Found] {
	if s.Cleared {
		return s.scanCleared(ctx)
	}
	all := s.all(s.Source, s.Source.Records(record.Range{Brief: s.brief(), Order: s.Order}))
	found := s.match(ctx, s.withEarlier(s.overlaid(all, s.added())))
	if !s.AllRuns {
		return found
	}
	return func(yield func(Found) bool) { // a run may come after those of other tasks
		for _, f := range s.sorted(found) {
			if !yield(f) {
				return
			}
		}
	}
}

// sorted collects runs in the order of the search. An error that ends it stays last.
func (s *Search) sorted(found iter.Seq[Found]) []Found {
	list := slices.Collect(found)
	slices.SortStableFunc(list, s.compareFound)
	return list
}

// compareFound is negative where a is found before b. An error that ends a search is last.
func (s *Search) compareFound(a, b Found) int {
	if a.ID == "" || b.ID == "" {
		return cmp.Compare(len(b.ID), len(a.ID))
	}
	return s.compare(a.place, b.place)
}

// overlaid yields what two sequences yield, each in the order of the search. Of what both have of
// one task it yields that of top alone.
func (s *Search) overlaid(found, top iter.Seq[Found]) iter.Seq[Found] {
	return ordered.Overlay(found, top, func(a, b Found) int { return s.Order.CompareResults(a.Result, b.Result) })
}

// added yields the added runs in the order of the search.
func (s *Search) added() iter.Seq[Found] {
	all := make([]Found, len(s.Added))
	for i, r := range s.Added {
		f := Found{Result: record.Result{ID: r.Record.UID, Record: r.Record}, Doc: s.doc(r), files: r.Files, source: s.Source, place: placeIn(r.Record), Partial: isPartial(r.Record, s.Limit), Overwritten: isOverwritten(r.Record)}
		s.withPrinted(&f)
		all[i] = f
	}
	slices.SortFunc(all, func(a, b Found) int { return s.Order.Compare(a.ID, b.ID) })
	return slices.Values(all)
}

// all makes records of a source what is to be looked at.
func (s *Search) all(from Source, stored iter.Seq[record.Result]) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for res := range stored {
			if !yield(s.stored(from, res)) {
				return
			}
		}
	}
}

func (s *Search) stored(from Source, res record.Result) Found {
	f := Found{Result: res, source: from}
	if res.ID != "" {
		f.place = docID{place: s.Order.Place(res.ID), id: res.ID}
	}
	if res.ID != "" && res.Err == nil {
		f.place, f.Partial, f.Overwritten = placeIn(res.Record), isPartial(res.Record, s.Limit), isOverwritten(res.Record)
		f.files = func() (*record.Files, error) { return from.Files(res.Record) }
		f.Doc = s.doc(Run{Record: res.Record, Stream: func(name record.StreamName) (io.ReadCloser, error) {
			return from.Stream(res.Record, name)
		}})
		s.withPrinted(&f)
	}
	return f
}

// withPrinted sets Found.Printed of a run that is not read from the index, if it is asked for.
func (s *Search) withPrinted(f *Found) {
	if doc := f.Doc; s.Printed {
		f.Printed = func() record.Metrics { return printed(doc) }
	}
}

// brief reports whether what a listing shows of a record is enough.
func (s *Search) brief() bool {
	return !s.Whole && !s.Texts && !s.Printed && !s.AllRuns && s.Query.Brief()
}

// match yields the runs that answer to the query, and those that cannot be read.
func (s *Search) match(ctx context.Context, found iter.Seq[Found]) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for f := range found {
			if err := ctx.Err(); err != nil {
				yield(Found{Result: record.Result{Err: err}})
				return
			}
			if s.answers(&f) && !yield(f) || f.ID == "" {
				return
			}
		}
		if err := ctx.Err(); err != nil { // what was found may not be all
			yield(Found{Result: record.Result{Err: err}})
		}
	}
}

// withEarlier yields each task and, where all runs are asked for, its earlier runs.
func (s *Search) withEarlier(tasks iter.Seq[Found]) iter.Seq[Found] {
	if !s.AllRuns {
		return tasks
	}
	return func(yield func(Found) bool) {
		for f := range tasks {
			if !yield(f) {
				return
			}
			if f.Record == nil {
				continue
			}
			for r, err := range f.source.Earlier(f.Record) {
				earlier := Found{Result: record.Result{ID: f.ID, Unique: f.Unique, Err: err}, Cleared: f.Cleared, source: f.source, place: f.place}
				if err == nil {
					earlier.Record, earlier.Doc, earlier.Number, earlier.place = r.Record, s.doc(r), r.Number, placeIn(r.Record)
					earlier.files = r.Files
				}
				if !yield(earlier) {
					return
				}
			}
		}
	}
}

// answers reports whether what was found has to be told: it answers to the query, or
// cannot be read.
func (s *Search) answers(f *Found) bool {
	if f.Err != nil {
		return true
	}
	if f.hit {
		return true
	}
	if s.fresh == nil || s.fresh[f.ID] || f.Number > 0 {
		s.tooLong += query.CountOver(f.Record, s.Limit)
	}
	matches := s.Query.Match(f.Doc)
	f.Err = f.Doc.Err
	return matches || f.Err != nil
}

// isPartial reports whether a search that looks at so many bytes of a stream does not look at all that the run has printed.
func isPartial(r *record.Record, limit int64) bool {
	return slices.ContainsFunc(record.StreamNames, func(name record.StreamName) bool {
		_, s := name.Of(r)
		return s != nil && (s.Cut != nil || s.Stored() > limit)
	})
}

// isOverwritten reports whether a line of the streams has a carriage return before its end. Of a stream that is not in the record it
// is not known, and counts as if it had.
func isOverwritten(r *record.Record) bool {
	return slices.ContainsFunc(record.StreamNames, func(name record.StreamName) bool {
		lines, stored := name.Of(r)
		return stored != nil || slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(strings.TrimRight(line, "\r\n"), "\r") })
	})
}

func (s *Search) doc(r Run) *query.Doc { return newDoc(r, s.Limit) }

// newDoc returns what is searched of a run.
func newDoc(r Run, limit int64) *query.Doc {
	return &query.Doc{Record: r.Record, Stream: func(name record.StreamName) (string, error) {
		return query.StreamText(r.Record, name, limit, r.Stream)
	}}
}
