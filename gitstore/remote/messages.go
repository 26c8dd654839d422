package remote

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"qme/internal/safe"
)

// lineLimit bounds, in bytes, what is held back of a line that does not end.
const lineLimit = 4 << 10

// tailLimit bounds, in bytes, what is kept of messages for an error.
const tailLimit = 4 << 10

const (
	// shownLimit bounds, in bytes, what of the other side's messages is passed on, and
	// progressLimit what of its progress, whose lines overwrite each other.
	shownLimit    = 64 << 10
	progressLimit = 512 << 10
	// saidLimit bounds, in bytes, what the other side may say before it has to be done.
	saidLimit = 64 << 20
)

// messages is where that which the other side says goes to: line by line, behind
// "remote: ", and harmless.
type messages struct {
	mu       sync.Mutex
	w        io.Writer
	shown    bool // somebody reads them
	progress bool
	width    int // columns of the line that the next one overwrites
	lines    int // bytes of lines that were passed on
	updates  int // bytes of those that overwrite each other
	full     bool
}

func newMessages(w io.Writer, progress bool) *messages {
	shown := w != nil
	if !shown {
		w = io.Discard
	}
	return &messages{w: w, shown: shown, progress: progress}
}

// line passes on one line of the other side's. end is '\n', or '\r' for one that the
// next overwrites. When there are too many, that is said once.
func (m *messages) line(prefix, text string, end byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if end == '\r' && !m.progress {
		end = '\n'
	}
	said, limit := &m.lines, shownLimit
	if end == '\r' {
		said, limit = &m.updates, progressLimit
	}
	switch *said += len(prefix) + len(text) + 1; {
	case *said <= limit:
		m.print(prefix, text, end)
	case !m.full:
		m.full = true
		m.print(prefix, "... (what else the other side says is not shown)", '\n')
	}
}

// own passes on one line of ours.
func (m *messages) own(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.print("", text, '\n')
}

// read reports whether somebody reads all that is said.
func (m *messages) read() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown && !m.full
}

func (m *messages) print(prefix, text string, end byte) {
	text = prefix + safe.Line(text)
	width := utf8.RuneCountInString(text)
	pad := strings.Repeat(" ", max(0, m.width-width))
	if m.width = 0; end == '\r' {
		m.width = width
	}
	// Nobody can be told that messages do not arrive, and the work goes on.
	_, _ = fmt.Fprintf(m.w, "%s%s%c", text, pad, end)
}

// A lineWriter cuts what is written to it into lines for messages. It can hold
// them back, and keeps the last of them for an error.
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
			w.end(b)
		case len(w.rest) == lineLimit:
			w.end('\n')
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

// touch begins what ssh says while it waits for somebody to touch a hardware key
// (notify_start in OpenSSH's ssh-agent.c and sshconnect2.c). Held back, it would wait
// in vain.
const touch = "Confirm user presence"

// end passes on the line in rest, if there is anything in it.
func (w *lineWriter) end(with byte) {
	text := string(bytes.TrimRight(w.rest, " "))
	if w.rest = w.rest[:0]; text == "" {
		return
	}
	if !w.held || strings.HasPrefix(text, touch) || w.doubt != nil && !w.doubt(text) {
		w.to.line(w.prefix, text, with)
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
		w.to.line(w.prefix, text, '\n')
	}
	w.waits = nil
}

// flush passes on a last line that has no end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end('\n')
}

// text returns the last that was written.
func (w *lineWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(string(w.tail))
}
