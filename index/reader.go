package index

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"qme/internal/ordered"
	"qme/record"
)

// readAhead bounds the results of jobs that wait for those of earlier ones.
const readAhead = 4

// A reader finds out what of an open index answers to a query: bleve says which runs may,
// and their text has the last word.
type reader struct {
	s    *Search
	o    *opened
	plan *part // nil: each run may answer
	none bool  // nothing can answer
	wide bool  // more may answer than the query's plan says
	// skip are the tasks that are not as the index has them; those of them that are there
	// are also in others, by their millisecond.
	skip   map[record.ID]bool
	others map[string][]record.ID
	// touched are the milliseconds of the tasks that are not as the index has them.
	touched map[string]bool

	cleared uint64 // how many runs of the index are of tasks that were cleared, about

	mu         sync.Mutex
	neighbours map[string][]record.ID // the tasks of a millisecond, as far as they were looked up
}

func newReader(s *Search, o *opened, changed, present []record.ID) (*reader, error) {
	r := &reader{s: s, o: o, skip: map[record.ID]bool{}, others: map[string][]record.ID{}, touched: map[string]bool{}, neighbours: map[string][]record.ID{}}
	for _, id := range changed {
		r.skip[id], r.touched[id.Millisecond()] = true, true
	}
	for _, run := range s.Added {
		r.skip[run.Record.UID] = true
	}
	for _, id := range present {
		r.others[id.Millisecond()] = append(r.others[id.Millisecond()], id)
	}
	return r, guard(func() (err error) {
		if r.cleared, err = r.runsWith(context.Background(), clearedField, yes); err == nil {
			r.plan, r.none, err = r.resolve(s.Query.Plan())
		}
		return err
	})
}

// eachTerm yields the terms of a field that begin with a prefix, in order.
func (r *reader) eachTerm(field, prefix string, yield func(*bleveindex.DictEntry) bool) error {
	dict, err := r.o.reader.FieldDictPrefix(field, []byte(prefix))
	if err != nil {
		return err
	}
	return eachEntry(dict, yield)
}

// eachEntry yields the terms of a dictionary, and closes it.
func eachEntry(dict bleveindex.FieldDict, yield func(*bleveindex.DictEntry) bool) error {
	for e, err := dict.Next(); e != nil || err != nil; e, err = dict.Next() {
		if err != nil {
			return cmp.Or(dict.Close(), err)
		}
		if !yield(e) {
			break
		}
	}
	return dict.Close()
}

// dayKey is the field in whose order the search lists runs.
func (r *reader) dayKey() string {
	if r.s.Order == nil {
		return createdField
	}
	return placeField
}

// windowRuns is how many runs the first window has at least; each further one has four
// times as many.
const windowRuns = 1024

// windows returns some days each, the last ones first; of few runs they are all, and there is
// one window without days.
func (r *reader) windows(ctx context.Context) ([][]string, error) {
	few, err := r.few(ctx)
	if few || err != nil {
		return [][]string{nil}, err
	}
	return r.windowsOf(r.dayKey(), "~")
}

// windowsOf returns windows of all days of a field up to one, the last ones first.
func (r *reader) windowsOf(field, last string) ([][]string, error) {
	var days []string
	var runs []int
	err := r.eachTerm(field, "", func(e *bleveindex.DictEntry) bool {
		if e.Term <= last {
			days, runs = append(days, strings.Clone(e.Term)), append(runs, int(e.Count))
		}
		return true
	})
	var list [][]string
	least, n := windowRuns, 0
	var window []string
	for i := len(days) - 1; i >= 0; i-- {
		window = append(window, days[i])
		if n += runs[i]; n >= least {
			list, window, n, least = append(list, window), nil, 0, 4*least
		}
	}
	if len(window) > 0 {
		list = append(list, window)
	}
	return list, err
}

// few reports whether no more runs may answer than a window or two have.
func (r *reader) few(ctx context.Context) (few bool, err error) {
	if r.plan == nil {
		return false, nil
	}
	if r.s.Cleared && r.cleared <= 4*windowRuns {
		return true, nil
	}
	err = guard(func() error {
		n, err := r.atMost(ctx, r.plan)
		few = n <= 4*windowRuns
		return err
	})
	return few, err
}

// unscored has bleve work on sets of documents alone.
var unscored = search.SearcherOptions{Score: "none"}

// A scope says which runs of the index count: those that have these values of the two fields;
// "" is any. All that asks for runs names its scope.
type scope struct{ latest, cleared string }

// everything is the scope of a writer.
var everything = scope{}

// scope is that of the runs that the search finds.
func (s *Search) scope() scope {
	sc := s.tasks()
	switch {
	case !s.AllRuns:
		sc.latest = yes
	case s.EarlierOnly:
		sc.latest = no
	}
	return sc
}

// tasks is the scope of the tasks that the search covers, with all their runs.
func (s *Search) tasks() scope { return scope{cleared: strconv.FormatBool(s.Cleared)} }

// A condition makes a searcher.
type condition func(context.Context) (search.Searcher, error)

// searcher returns one for the runs of a scope that fulfil all conditions.
func (r *reader) searcher(ctx context.Context, sc scope, conditions ...condition) (search.Searcher, error) {
	if sc.latest != "" {
		conditions = append(conditions, r.oneOf(latestField, sc.latest))
	}
	if sc.cleared == yes || sc.cleared == no && r.cleared > 0 {
		conditions = append(conditions, r.oneOf(clearedField, sc.cleared))
	}
	var list []search.Searcher
	for _, made := range conditions {
		s, err := made(ctx)
		if err != nil {
			for _, s := range list {
				_ = s.Close()
			}
			return nil, err
		}
		list = append(list, s)
	}
	return searcher.NewConjunctionSearcher(ctx, r.o.reader, list, unscored)
}

func (r *reader) oneOf(field string, values ...string) condition {
	return func(ctx context.Context) (search.Searcher, error) {
		return searcher.NewMultiTermSearcher(ctx, r.o.reader, values, field, 1, unscored, false)
	}
}

// hits returns the runs of some days, nil for any day, that may answer, in the order of the search.
func (r *reader) hits(ctx context.Context, days []string) (list []hit, err error) {
	var conditions []condition
	if days != nil {
		conditions = append(conditions, r.oneOf(r.dayKey(), days...))
	}
	if r.plan != nil {
		conditions = append(conditions, func(ctx context.Context) (search.Searcher, error) { return r.part(ctx, r.plan) })
	}
	err = guard(func() (err error) {
		list, err = r.documents(ctx, r.s.scope(), conditions...)
		return err
	})
	slices.SortFunc(list, func(a, b hit) int { return r.s.compare(a.docID, b.docID) })
	return list, err
}

// A hit is a document that a searcher has found.
type hit struct {
	docID
	number uint64 // that of the document in the open index
}

// documents returns the runs of a scope that fulfil all conditions.
func (r *reader) documents(ctx context.Context, sc scope, conditions ...condition) (list []hit, err error) {
	s, err := r.searcher(ctx, sc, conditions...)
	if err != nil {
		return nil, err
	}
	found := &search.SearchContext{DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0), IndexReader: r.o.reader}
	for {
		m, err := s.Next(found)
		if m == nil || err != nil {
			return list, cmp.Or(err, s.Close())
		}
		name, err := r.o.reader.ExternalID(m.IndexInternalID)
		if err != nil {
			return nil, err
		}
		number := m.IndexInternalID.Value()
		found.DocumentMatchPool.Put(m)
		d, err := parseDocID(name)
		if err != nil {
			return nil, err
		}
		if !r.skip[d.id] {
			list = append(list, hit{d, number})
		}
	}
}

// compare is negative where one run is listed before another.
func (s *Search) compare(a, b docID) int {
	if s.Order != nil {
		if x, y := s.Order.Future(a.place), s.Order.Future(b.place); x != y {
			if y {
				return -1
			}
			return 1
		}
		if c := strings.Compare(b.place, a.place); c != 0 {
			return c
		}
	}
	return cmp.Or(strings.Compare(b.id.UUID(), a.id.UUID()), strings.Compare(string(a.id), string(b.id)), strings.Compare(b.place, a.place), strings.Compare(b.run, a.run))
}

// jobSize bounds the runs of a job. The first jobs are small, because somebody waits for the
// first line.
const jobSize = 256

// jobs yields all that may answer, in the order of the search. What cannot be read of the
// index is the error in the end.
func (r *reader) jobs(ctx context.Context, failed *error) iter.Seq[[]hit] {
	return func(yield func([]hit) bool) {
		windows, err := r.windows(ctx)
		if err != nil || r.none {
			*failed = err
			return
		}
		most := 32
		give := func(list []hit) bool {
			for len(list) > 0 {
				n := min(most, len(list))
				if ctx.Err() != nil || !yield(list[:n]) {
					return false
				}
				list, most = list[n:], min(2*most, jobSize)
			}
			return true
		}
		var future []hit
		for _, days := range windows {
			list, err := r.hits(ctx, days)
			if err != nil {
				*failed = err
				return
			}
			if r.s.Order != nil {
				n := len(list)
				for n > 0 && r.s.Order.Future(list[n-1].place) {
					n--
				}
				future, list = append(future, list[n:]...), list[:n]
			}
			if !give(list) {
				return
			}
		}
		give(future)
	}
}

// found yields the runs of the index that answer, and those of which that is still to be
// found out, which are no hits.
func (r *reader) found(ctx context.Context) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		var failed error
		look := func(list []hit) []Found {
			var found []Found
			for _, d := range list {
				if ctx.Err() != nil {
					break
				}
				f, err := r.look(ctx, d)
				if err != nil { // the record says
					r.s.damaged.Store(true)
					found = append(found, r.s.fromHistory(ctx, d.docID, nil)...)
				} else if f != nil {
					found = append(found, *f)
				}
			}
			return found
		}
		for some := range ordered.Map(r.jobs(ctx, &failed), readAhead, func() func([]hit) []Found { return look }) {
			for _, f := range some {
				if !yield(f) {
					return
				}
			}
		}
		if failed != nil && ctx.Err() == nil {
			yield(r.s.brokenIndex(failed))
		}
	}
}

// brokenIndex ends a search of an index that cannot be read.
func (s *Search) brokenIndex(err error) Found {
	s.damaged.Store(true)
	return Found{Result: record.Result{Err: fmt.Errorf("the search index is damaged; it is made again by the next search: %w", err)}}
}

// look returns a run that answers to the query, nil for any other.
func (r *reader) look(ctx context.Context, d hit) (*Found, error) {
	s, err := r.stored(d, r.s.Texts || r.s.Query.Streams())
	if err == nil && (s.record == nil || (s.cleared != nil) != r.s.Cleared) {
		err = errDamaged
	}
	if err != nil {
		return nil, err
	}
	f := &Found{Result: record.Result{ID: d.id, Record: s.record}, Number: s.Number, Doc: s.doc(), Cleared: s.cleared, Partial: s.Partial, Overwritten: s.Overwritten, place: d.docID, hit: true}
	if r.s.Printed {
		f.Printed = s.printed
	}
	if !r.s.Query.Match(f.Doc) {
		return nil, f.Doc.Err
	}
	if r.s.Whole {
		var lost error
		f.Record, lost = nil, fmt.Errorf("task %s: %w run in the history", d.id, record.ErrNotFound)
		for _, whole := range r.s.fromHistory(ctx, d.docID, s.cleared) {
			if whole.Err != nil {
				lost = whole.Err
			} else {
				f.Record = whole.Record
			}
		}
		if f.Record == nil {
			return &Found{Result: record.Result{ID: d.id, Err: lost}, Number: s.Number, place: d.docID, hit: true}, nil
		}
	}
	f.Unique = s.Unique
	if r.s.Cleared || r.touched[d.id.Millisecond()] {
		err = guard(func() error { f.Unique, err = r.unique(d.id); return err })
	}
	return f, err
}

// stored reads the stored fields of a run; the text of its streams only if streams is set.
func (r *reader) stored(h hit, streams bool) (s *stored, err error) {
	err = guard(func() error { s, err = r.o.stored(h, streams); return err })
	return s, err
}

// unique is record.ID.Unique among all tasks that the search covers, of which some have come or gone. Tasks of one millisecond are looked up together:
// a script may have made hundreds.
func (r *reader) unique(id record.ID) (int, error) {
	ms := id.Millisecond()
	r.mu.Lock()
	together, ok := r.neighbours[ms]
	r.mu.Unlock()
	if ok {
		return id.Unique(together...), nil
	}
	together = slices.Clone(r.others[ms])
	var keys []string
	if err := r.eachTerm(taskField, ms, func(e *bleveindex.DictEntry) bool {
		keys = append(keys, strings.Clone(e.Term))
		return true
	}); err != nil {
		return 0, err
	}
	for _, key := range keys {
		if key == taskKey(id) {
			together = append(together, id)
			continue
		}
		list, err := r.documents(context.Background(), r.s.tasks(), r.oneOf(taskField, key)) // a term stays for a while after its documents
		if err != nil {
			return 0, err
		}
		if len(list) > 0 {
			together = append(together, list[0].id)
		}
	}
	r.mu.Lock()
	r.neighbours[ms] = together
	r.mu.Unlock()
	return id.Unique(together...), nil
}

// withNeighbours adds to some tasks those of the same milliseconds, whose short names depend on
// them.
func (r *reader) withNeighbours(ids []record.ID) ([]record.ID, error) {
	all, seen := slices.Clone(ids), map[record.ID]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	for _, id := range ids {
		if _, err := r.unique(id); err != nil {
			return nil, err
		}
		for _, other := range r.neighbours[id.Millisecond()] {
			if !seen[other] {
				seen[other] = true
				all = append(all, other)
			}
		}
	}
	return all, nil
}

// documentsOf returns all that the index has of a task.
func (r *reader) documentsOf(id record.ID) ([]hit, error) {
	return r.documents(context.Background(), everything, r.oneOf(taskField, taskKey(id)))
}

// summary counts the streams over the limit, but for some tasks, and lists the tasks that
// could not be read.
func (r *reader) summary() (over int, unreadable []hit, err error) {
	ctx := context.Background()
	err = guard(func() error {
		var err error
		if unreadable, err = r.documents(ctx, r.s.tasks(), r.oneOf(unreadField, yes)); err != nil {
			return err
		}
		var counts []string
		if err := r.eachTerm(overField, "", func(e *bleveindex.DictEntry) bool {
			counts = append(counts, strings.Clone(e.Term))
			return true
		}); err != nil {
			return err
		}
		for _, count := range counts {
			n, err := strconv.Atoi(count)
			if err != nil {
				return err
			}
			list, err := r.documents(ctx, r.s.scope(), r.oneOf(overField, count))
			if err != nil {
				return err
			}
			over += n * len(list)
		}
		return nil
	})
	return over, unreadable, err
}
