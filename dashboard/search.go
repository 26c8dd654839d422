package dashboard

import (
	"context"
	"net/http"
	"sync"
	"time"

	"qme/internal/panics"
)

const (
	// searchesAtOnce bounds the searches in progress: each may use all processors.
	searchesAtOnce = 2
	searchesKept   = 8
	// searchTimeout bounds the wait of a request. A search that takes longer, since it makes the index
	// first, goes on, and later requests get its result.
	searchTimeout = 20 * time.Second
	// searchFresh is how long a result is valid while the history does not change: a query may have
	// relative times such as before:2d.
	searchFresh = time.Minute
)

// searches runs full-text searches, and keeps the latest of them. Its methods may be called from several
// goroutines.
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
	zone          string // of the days in its query
	at            time.Time
	done          chan struct{}
	found         map[taskKey]bool
	err           error
}

// find sets the result of a filter's query in it. Requests for the same query share a search.
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

// begin starts a search. The caller has sent to sem.
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

// get returns a search whose result is valid now, or will be, nil if there is none.
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
