package dashboard

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// searchesAtOnce bounds the searches that go on: each may use all processors.
	searchesAtOnce = 2
	searchesKept   = 8
	// searchTimeout is how long a request waits. A search that takes longer, since it has to
	// make the index first, goes on for those who ask again.
	searchTimeout = 20 * time.Second
	// searchFresh is for how long what was found counts, in a history that does not
	// change: a query may speak of times such as before:2d.
	searchFresh = time.Minute
)

// searches holds what was found lately, and what is being searched for.
type searches struct {
	sem  chan struct{}
	mu   sync.Mutex
	made uint64
	list []*searched
}

// A searched is a search, which has ended when done is closed.
type searched struct {
	number        uint64 // of all searches
	text, version string
	zone          string // in which its days are
	at            time.Time
	done          chan struct{}
	found         map[taskKey]bool
	err           error
}

// search has a filter know what its query finds. Who asks for the same waits for the same search.
func (s *Server) search(ctx context.Context, f *filter) error {
	text, zone := f.Query, f.zone
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	one := s.searches.get(text, zone.String(), s.table.state().Version)
	if one == nil {
		select {
		case s.searches.sem <- struct{}{}:
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
	p := problem(http.StatusServiceUnavailable, "busy", "the search takes long, since the index is being made; it goes on, try again in a moment")
	p.retry = 5
	return p
}

// begin starts a search, for which there is room.
func (s *Server) begin(text string, zone *time.Location) *searched {
	one := &searched{text: text, zone: zone.String(), version: s.table.state().Version, at: time.Now(), done: make(chan struct{})}
	s.searches.put(one)
	s.background.Go(func() {
		defer func() { <-s.searches.sem }()
		defer close(one.done)
		one.err = safely(func() error {
			ids, err := s.tasks.Search(s.life, text, one.at.In(zone))
			one.found = keysOf(ids)
			return err
		})
	})
	return one
}

// get returns a search that has found, or will, what is to be found now.
func (c *searches) get(text, zone, version string) *searched {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.list {
		if e.text == text && e.zone == zone && e.version == version && (e.going() || e.err == nil && time.Since(e.at) < searchFresh) {
			return e
		}
	}
	return nil
}

// going reports whether a search goes on; only when it does not its results may be read.
func (e *searched) going() bool {
	select {
	case <-e.done:
		return false
	default:
		return true
	}
}

func (c *searches) put(e *searched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	e.number = c.made
	if c.list = append(c.list, e); len(c.list) > searchesKept {
		c.list = c.list[1:]
	}
}
