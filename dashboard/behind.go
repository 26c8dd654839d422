package dashboard

import (
	"errors"
	"sync"

	"github.com/gorilla/websocket"
)

// What can be behind: the first reading of the history, and what has come since.
const (
	loading = iota
	refreshing
)

// A behind says why what is shown may be old.
type behind struct {
	mu   sync.Mutex
	errs [2]error
	text string
}

// set notes how the last look at one of the two went, and returns what is behind now, and whether
// that is something else than before.
func (b *behind) set(what int, err error) (text string, other bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs[what] = err
	text, was := "", b.text
	if all := errors.Join(b.errs[:]...); all != nil {
		text = all.Error()
	}
	b.text = text
	return text, text != was
}

// now returns why the history cannot be read, "" when it can.
func (b *behind) now() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text
}

// setBehind notes whether the history can be read, and tells when that changes.
func (s *Server) setBehind(what int, err error) {
	detail, other := s.behind.set(what, err)
	if !other {
		return
	}
	if detail != "" {
		s.o.Log("behind: %s", detail)
	}
	s.hub.broadcast(s.behindMessage(detail))
}

func (s *Server) behindMessage(detail string) *websocket.PreparedMessage {
	behind := detail != ""
	return s.prepare(message{Type: "behind", Behind: &behind, Detail: &detail})
}
