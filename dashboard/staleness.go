package dashboard

import (
	"errors"
	"sync"
)

// The two ways of reading the history: once as a whole, and later for changes.
const (
	loading = iota
	refreshing
)

// A staleness holds the reasons why the table may be out of date. It is safe for
// concurrent use.
type staleness struct {
	mu   sync.Mutex
	errs [2]error
	text string
}

// set sets the result of a kind of reading. It returns the new detail, and whether it has
// changed.
func (s *staleness) set(kind int, err error) (detail string, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs[kind] = err
	before := s.text
	s.text = ""
	if all := errors.Join(s.errs[:]...); all != nil {
		s.text = all.Error()
	}
	return s.text, s.text != before
}

// detail returns the reason why the history cannot be read, "" if it can.
func (s *staleness) detail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

func staleMessage(detail string) message {
	stale := detail != ""
	return message{Type: "behind", Behind: &stale, Detail: &detail}
}
