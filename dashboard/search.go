package dashboard

import (
	"context"
	"net/http"
	"sync"
	"time"

	"qme/internal/panics"
)

const (
	// searchesAtOnce is the maximal number of searches in progress, each of which may use
	// all processors.
	searchesAtOnce = 2
	searchesKept   = 8
	// searchTimeout is the maximal wait of a request. A search that takes longer because
	// it builds the index continues, and later requests get its result.
	searchTimeout = 20 * time.Second
	// searchFresh is the time for which a result is valid while the history does not
	// change, since a query may have relative times such as before:2d.
	searchFresh = time.Minute
)

// searches runs full-text searches, and keeps the latest. It is safe for concurrent use.
type searches struct {
	home       home
	table      *table
	background *background
	sem        chan struct{}

	mu   sync.Mutex
	made uint64
	list []*searched
}

func newSearches(h home, t *table, b *background) *searches {
	return &searches{home: h, table: t, background: b, sem: make(chan struct{}, searchesAtOnce)}
}

// A searched is a search. Its results may be read after done is closed.
type searched struct {
	number        uint64 // unique to this search
	text, version string
	zone          string // the zone of days in the query
	at            time.Time
	done          chan struct{}
	found         map[taskKey]bool
	err           error
}

// find sets the result of the query in a filter. Requests for the same query share a
// search.
func (s *searches) find(ctx context.Context, f *filter) error {
	text, zone := f.Query, f.zone
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	one := s.get(text, zone.String(), s.table.state().Version)
	if one == nil {
		select {
		case s.sem <- struct{}{}:
		case <-ctx.Done():
			return busySearching()
		}
		one = s.begin(text, zone)
	}
	select {
	case <-one.done:
		f.Found, f.found = one.number, one.found
		return one.err
	case <-ctx.Done():
		return busySearching()
	}
}

func busySearching() error {
	p := newProblem(http.StatusServiceUnavailable, "busy", "the search takes long, since the index is being made; it goes on, try again in a moment")
	p.retry = 5
	return p
}

// begin starts a search. The caller must have sent to sem.
func (s *searches) begin(text string, zone *time.Location) *searched {
	one := &searched{text: text, zone: zone.String(), version: s.table.state().Version, at: time.Now(), done: make(chan struct{})}
	s.put(one)
	s.background.start(func(ctx context.Context) {
		defer func() { <-s.sem }()
		defer close(one.done)
		one.err = panics.Catch(func() error {
			ids, err := s.home.Search(ctx, text, one.at.In(zone))
			one.found = keysOf(ids)
			return err
		})
	})
	return one
}

// get returns a search whose result is valid, or will be; nil if there is none.
func (s *searches) get(text, zone, version string) *searched {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.list {
		if e.text == text && e.zone == zone && e.version == version && (e.going() || e.err == nil && time.Since(e.at) < searchFresh) {
			return e
		}
	}
	return nil
}

// going reports whether the search is in progress.
func (e *searched) going() bool {
	select {
	case <-e.done:
		return false
	default:
		return true
	}
}

func (s *searches) put(e *searched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	e.number = s.made
	if s.list = append(s.list, e); len(s.list) > searchesKept {
		s.list = s.list[1:]
	}
}
