package dashboard

import (
	"context"
	"sync"
	"time"
)

const (
	// searchesAtOnce bounds the searches that go on: each may use all processors.
	searchesAtOnce = 2
	searchesKept   = 8
	searchTimeout  = 30 * time.Second
)

// searches holds what was found lately. What a query finds depends on the history alone, but for times such
// as before:2d.
type searches struct {
	sem  chan struct{}
	mu   sync.Mutex
	list []searched
}

type searched struct {
	text, version string
	at            time.Time
	found         map[taskKey]bool
}

// searchFresh is for how long what was found counts, in a history that does not change.
const searchFresh = time.Minute

func (s *Server) search(ctx context.Context, text string) (map[taskKey]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	select {
	case s.searches.sem <- struct{}{}:
		defer func() { <-s.searches.sem }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	version := s.table.state().Version
	if found := s.searches.get(text, version); found != nil {
		return found, nil
	}
	ids, err := s.o.Tasks.Search(ctx, text)
	if err != nil {
		return nil, err
	}
	found := keysOf(ids)
	s.searches.put(searched{text, version, time.Now(), found})
	return found, nil
}

func (c *searches) get(text, version string) map[taskKey]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.list {
		if e.text == text && e.version == version && time.Since(e.at) < searchFresh {
			return e.found
		}
	}
	return nil
}

func (c *searches) put(e searched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list = append(c.list, e); len(c.list) > searchesKept {
		c.list = c.list[1:]
	}
}
