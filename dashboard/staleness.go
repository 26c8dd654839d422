package dashboard

import (
	"errors"
	"sync"
)

// The two ways in which the history is read: once as a whole, and then for changes.
const (
	loading = iota
	refreshing
)

// A staleness says why the table may be out of date. Its methods may be called from several
// goroutines.
type staleness struct {
	mu   sync.Mutex
	errs [2]error
	text string
}

// set notes the result of the last reading of a kind. It returns the new detail, and whether that
// differs from the last one.
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

// detail returns why the history cannot be read, "" if it can.
func (s *staleness) detail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

func staleMessage(detail string) message {
	stale := detail != ""
	return message{Type: "behind", Behind: &stale, Detail: &detail}
}
