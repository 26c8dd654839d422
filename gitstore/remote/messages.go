package remote

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"qme/internal/safe"
)

// lineLimit bounds, in bytes, a line that does not end.
const lineLimit = 4 << 10

// tailLimit bounds, in bytes, the end of messages that is kept for an error.
const tailLimit = 4 << 10

const (
	// shownLimit bounds, in bytes, how much of the server's messages is passed on.
	shownLimit = 64 << 10
	// saidLimit bounds, in bytes, the messages that a server may send with one answer.
	saidLimit = 64 << 20
)

// messages passes on messages of the server: line by line, after "remote: ", and harmless.
type messages struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool // w is read
	lines int  // bytes of lines so far
	full  bool
}

func newMessages(w io.Writer) *messages {
	shown := w != nil
	if !shown {
		w = io.Discard
	}
	return &messages{w: w, shown: shown}
}

// line passes on one line of the server. When there are too many, that is said once.
func (m *messages) line(prefix, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.lines += len(prefix) + len(text) + 1; {
	case m.lines <= shownLimit:
		m.print(prefix, text)
	case !m.full:
		m.full = true
		m.print(prefix, "... (what else the other side says is not shown)")
	}
}

// own passes on one line of ours.
func (m *messages) own(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.print("", text)
}

// read reports whether the user sees all messages.
func (m *messages) read() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown && !m.full
}

func (m *messages) print(prefix, text string) {
	_, _ = fmt.Fprintln(m.w, prefix+safe.Line(text)) // there is no other way to report an error
}

// A lineWriter cuts its input into lines for messages. It can hold them back, and keeps
// the last of them for an error.
type lineWriter struct {
	to     *messages
	prefix string

	mu     sync.Mutex
	rest   []byte // the beginning of a line
	held   bool
	doubt  func(text string) bool // which lines are held back; nil: all, or none
	waits  []string               // lines that are held back
	waited int                    // their size
	tail   []byte
}

// Write implements io.Writer. It never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keep(p)
	for _, b := range p {
		switch {
		case b == '\n' || b == '\r':
			w.end()
		case len(w.rest) == lineLimit:
			w.end()
			fallthrough
		default:
			w.rest = append(w.rest, b)
		}
	}
	return len(p), nil
}

// drop forgets the lines that were held back.
func (w *lineWriter) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits = nil
}

func (w *lineWriter) keep(p []byte) {
	w.tail = append(w.tail, p...)
	if over := len(w.tail) - tailLimit; over > 0 {
		w.tail = append(w.tail[:0], w.tail[over:]...)
	}
}

// touch begins the message of ssh while it waits for the user to touch a hardware key
// (notify_start in OpenSSH's ssh-agent.c and sshconnect2.c). Held back, it would wait
// in vain.
const touch = "Confirm user presence"

// end passes on the line in rest, if there is anything in it.
func (w *lineWriter) end() {
	text := string(bytes.TrimRight(w.rest, " "))
	if w.rest = w.rest[:0]; text == "" {
		return
	}
	if !w.held || strings.HasPrefix(text, touch) || w.doubt != nil && !w.doubt(text) {
		w.to.line(w.prefix, text)
		return
	}
	if w.waited += len(text); w.waited <= tailLimit {
		w.waits = append(w.waits, text)
	}
}

// release lets lines through, also those that were held back.
func (w *lineWriter) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = false
	for _, text := range w.waits {
		w.to.line(w.prefix, text)
	}
	w.waits = nil
}

// flush passes on a last line that has no end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
}

// text returns the end of the input.
func (w *lineWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(string(w.tail))
}
