package tasks

import (
	"context"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/gitstore"
	"qme/index"
	"qme/index/query"
	"qme/record"
)

// firstIndexWait is how long a search waits for another process that creates the index. Reading
// every record would take as long and slow down the other process.
const firstIndexWait = 20 * time.Second

// SearchOptions are the options of a search.
type SearchOptions struct {
	Sort    string // SortRelevance or one of Sorts; "" is the default of Sorts
	Limit   int    // how many results are wanted, for orders that need sorting; 0 means all
	AllRuns bool   // search the earlier runs of each task too
	Cleared bool   // search the tasks that were cleared, and no others
	Whole   bool   // read the found records completely; see index.Search

	// Texts has the streams of what is found be there, whatever the query; see index.Search.Texts.
	Texts bool

	// Printed has index.Found.Printed be set.
	Printed bool

	// Later does not wait for the index where that is not worth it; see index.Search.Later.
	Later bool

	// Ready finds only what costs little to find; see index.Search.Ready.
	Ready bool

	// EarlierOnly, with AllRuns, allows the search to leave out the latest run of a task.
	EarlierOnly bool

	begun bool    // leave out the tasks that wait in the queue, but for their earlier runs
	only  *Filter // of which Limit, Sort and Query do not count; nil: all
}

// eachReady calls each for the tasks that match a query and cost little to find, newest first, until one
// returns an error. It reports whether these are all, by the index.
func (q *Service) eachReady(text string, each func(index.Found) error) (all bool, err error) {
	what, err := query.Parse(text, query.Options{})
	if err != nil {
		return false, err
	}
	s, err := q.Search(context.Background(), what, SearchOptions{Sort: SortCreated, Ready: true})
	if err != nil {
		return false, err
	}
	for found := range s.Found {
		if found.Err != nil && found.ID == "" {
			return false, found.Err
		}
		if err := each(found); err != nil {
			return false, err
		}
	}
	return s.FromIndex(), nil
}

// indexName is the name of the search index in the home.
const indexName = "index"

// A Search is the result of a query.
type Search struct {
	// Mixed is record.Order.Mixed, or true when unknown.
	Mixed bool
	// Found yields the matching tasks in order. A task that cannot be read is yielded with its
	// error, and the search continues. An error without an ID ends it.
	Found iter.Seq[index.Found]
	// CountBy counts the values of a field among the matching tasks, in the place of Found; see
	// index.Search.CountBy.
	CountBy func(ctx context.Context, field string, unreadable func(error)) (map[string]int, error)
	// Short returns the short name of a found task.
	Short func(f index.Found) (string, error)
	// Over returns the number of streams longer than Settings.Searched. It is valid after Found
	// has ended.
	Over func() int
	// FromIndex reports whether the index was used, so that a further search is cheap. It is valid
	// after Found has ended.
	FromIndex func() bool
	// Due reports whether CatchUpIndex should follow, as is known after Found has ended.
	Due func() bool
	// Mean says of words that were found nowhere which ones were probably meant; see
	// index.Search.Mean.
	Mean func(context.Context, []query.Word) ([]query.Missing, error)
	// Names returns the names of parameters or metrics; see index.Search.Names.
	Names func(ctx context.Context, kind string) ([]string, error)
}

// Search finds the tasks that match a query. An uncommitted run replaces the stored one.
func (q *Service) Search(ctx context.Context, what *query.Query, o SearchOptions) (*Search, error) {
	v, err := q.searched(!o.Ready && !o.begun && !o.Cleared)
	if err != nil {
		return nil, err
	}
	s := q.searchOf(v)
	s.Query, s.AllRuns, s.EarlierOnly, s.Cleared, s.Ready, s.Texts, s.Whole = what, o.AllRuns, o.EarlierOnly, o.Cleared, o.Ready, o.Texts, o.Whole || o.Sort == SortMemory
	s.Printed, s.Later, s.Few = o.Printed, o.Later, v.few
	s.Hold = slices.Contains([]string{SortRelevance, SortDuration, SortMemory, SortOldest}, o.Sort)
	if o.Sort == "" || o.Sort == SortStarted || o.Sort == SortOldest {
		damage, err := v.latestFirst(ctx, true)
		if err != nil {
			return nil, err
		}
		if damage != nil {
			q.Warn("the newest task comes first, since it cannot be read when tasks were run last: %v", damage)
		}
		s.Order = v.Order
	}
	dir := filepath.Join(q.Home, indexName)
	return &Search{
		Mixed: v.Mixed, Over: s.Over, FromIndex: s.FromIndex, Found: sorted(admitted(s.Run(ctx, dir), o.only), what, o),
		CountBy: func(ctx context.Context, field string, unreadable func(error)) (map[string]int, error) {
			return s.CountBy(ctx, dir, field, unreadable)
		},
		Short: v.shortFound, Due: s.Due,
		Mean:  func(ctx context.Context, words []query.Word) ([]query.Missing, error) { return s.Mean(ctx, dir, words) },
		Names: func(ctx context.Context, kind string) ([]string, error) { return s.Names(ctx, dir, kind) },
	}, nil
}

// few reports whether a search can look at each task of the history itself in place of the index.
func (v *View) few() bool {
	n := 0
	for _, err := range v.history.Tasks(record.Range{}) {
		if n++; err != nil || n > index.MostLater {
			return false
		}
	}
	return true
}

// CatchUpIndex makes the search index, or brings it up to date where that is due.
func (q *Service) CatchUpIndex(ctx context.Context) error {
	v, err := q.searched(false)
	if err != nil {
		return err
	}
	s := q.searchOf(v)
	s.Query = new(query.Query)
	return s.CatchUp(ctx, filepath.Join(q.Home, indexName))
}

// searchOf returns a search among the tasks of a view, without a query.
func (q *Service) searchOf(v *View) *index.Search {
	s := &index.Search{
		Source: searchSource{Snapshot: v.history, service: q}, Limit: q.Settings.Searched, MaxWait: firstIndexWait,
		Waiting: func() {
			q.tell("Another process is making the search index; this one waits for it, at most %s.", firstIndexWait)
		},
		Warn: func(err error) { q.Warn("%v", err) },
	}
	s.Progress, s.Indexed = q.progress("tasks indexed for searching")
	for _, res := range v.uncommitted {
		s.Added = append(s.Added, runFor(Version{Record: res.Record, service: q}))
	}
	for res := range v.read(v.queued(record.Range{})) {
		if res.Err != nil {
			q.Warn("%v", res.Err)
			continue
		}
		s.Added = append(s.Added, runFor(Version{Record: res.Record, service: q}))
	}
	return s
}

// searched returns the tasks to search, with those that wait in the queue if queued is set: a search
// has to read them. What is not committed and cannot be read is left out with a warning.
func (q *Service) searched(queued bool) (*View, error) {
	waiting, err := q.waitingIDs()
	if err != nil {
		q.Warn("%v", err)
	}
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
	v, err := q.viewWith(uncommitted, waiting)
	if err == nil && !queued {
		v.waiting = nil
	}
	return v, err
}

// sorted sorts the results by duration, memory or relevance, or turns them round, if o says so.
func sorted(found iter.Seq[index.Found], what *query.Query, o SearchOptions) iter.Seq[index.Found] {
	result := func(f index.Found) record.Result { return f.Result }
	var key func(index.Found) float64
	switch o.Sort {
	case SortDuration, SortMemory:
		of := keyOf(o.Sort, time.Now())
		key = func(f index.Found) float64 { return of(f.Record) }
	case SortRelevance:
		key = func(f index.Found) float64 { return what.Relevance(f.Doc) }
	case SortOldest:
		return lastFirst(found, o.Limit, result)
	default:
		return found
	}
	return greatestFirst(found, o.Limit, result, key)
}

// A searchSource is a state of the history with the earlier runs of its tasks.
type searchSource struct {
	*gitstore.Snapshot
	service *Service
	commit  string // that of the snapshot, "" if that is the newest one
}

// At implements index.Source.
func (s searchSource) At(commit string) (index.Source, error) {
	store, err := s.service.Store()
	if err != nil {
		return nil, err
	}
	sn, err := store.Snapshot(commit)
	return searchSource{sn, s.service, commit}, err
}

// Earlier implements index.Source.
func (s searchSource) Earlier(rec *record.Record) iter.Seq2[index.Run, error] {
	return func(yield func(index.Run, error) bool) {
		for v, err := range s.service.Earlier(rec, s.commit) {
			r := runFor(v)
			r.Number = v.Number
			if !yield(r, err) {
				return
			}
		}
	}
}

// runFor returns a run as the index takes it.
func runFor(v Version) index.Run {
	return index.Run{Record: v.Record, Stream: v.Stream, Files: v.wholeFiles}
}

// Files implements index.Source.
func (s searchSource) Files(rec *record.Record) (*record.Files, error) {
	return wholeFiles(rec, s.Part)
}

// outputsNamed finds the runs whose record lists an output with a text in its absolute path, in upper or
// lower case, with the query for that.
func (q *Service) outputsNamed(ctx context.Context, text string, o SearchOptions) (*Search, *query.Query, error) {
	what, err := query.Parse(outputNamed(text), query.Options{})
	if err != nil {
		return nil, nil, err
	}
	s, err := q.Search(ctx, what, o)
	return s, what, err
}

// outputNamed returns the query for runs whose record lists an output with a text in its absolute path.
func outputNamed(text string) string {
	return `out:"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
