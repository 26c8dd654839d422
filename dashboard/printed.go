package dashboard

import (
	"bytes"
	"html"
	"strings"
	"sync"
	"time"

	"qme/internal/lazy"
	"qme/record"
)

const (
	// printedEvery is how often the last line of a run is told at the most, and printedMost of
	// how many runs it is read at a time; the others follow.
	printedEvery = 250 * time.Millisecond
	printedMost  = 200
	// printedLook is how much of the end of a stream is looked at for its last line.
	printedLook = 2 << 10
)

// A Printed is the last line that a run in flight has printed, as plain text.
type Printed struct {
	ID   record.ID `json:"id"`
	Line string    `json:"line"`
}

// printed knows the last line of each run in flight. Its methods may be called from several
// goroutines.
type printed struct {
	mu    sync.Mutex
	last  map[record.ID]lastLine
	count uint64 // of changes
}

// A lastLine is what was read last.
type lastLine struct {
	stdout, stderr int64 // how much had been written
	at             time.Time
	text           string
}

// grown returns the stream that has other bytes at its end than when the line was read, "" when
// none has.
func (l lastLine) grown(stdout, stderr int64) (record.StreamName, int64) {
	switch {
	case stdout > 0 && stdout != l.stdout:
		return record.Stdout, stdout
	case stderr > 0 && stderr != l.stderr:
		return record.Stderr, stderr
	}
	return "", 0
}

func (p *printed) get(id record.ID) lastLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[id]
}

// set notes a line and reports whether it is another one.
func (p *printed) set(id record.ID, l lastLine) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	other := p.last[id].text != l.text
	if other {
		p.count++
	}
	if p.last == nil {
		p.last = map[record.ID]lastLine{}
	}
	p.last[id] = l
	return other
}

// keep forgets all but the runs in a list.
func (p *printed) keep(list []record.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.last) == 0 {
		return
	}
	there := make(map[record.ID]bool, len(list))
	for _, id := range list {
		there[id] = true
	}
	for id := range p.last {
		if !there[id] {
			delete(p.last, id)
		}
	}
}

// put gives the lines to summaries of runs in flight.
func (p *printed) put(list []Summary) []Summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range list {
		if list[i].Status == record.Running {
			list[i].LastLine = p.last[list[i].ID].text
		}
	}
	return list
}

func (p *printed) changes() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// newLines returns the last lines of the runs in flight that have printed others since it was
// asked last. It is for one goroutine at a time.
func (s *Server) newLines() (news []Printed) {
	now, read := time.Now(), 0
	going := s.table.going()
	for _, id := range going {
		l := s.printed.get(id)
		if now.Sub(l.at) < printedEvery || read == printedMost {
			continue
		}
		stdout, stderr, err := s.runs.Written(id)
		if err != nil {
			continue // who opens the task is told what is wrong
		}
		name, size := l.grown(stdout, stderr)
		if name == "" {
			continue
		}
		read++
		next := lastLine{stdout: stdout, stderr: stderr, at: now}
		// What it has printed must not keep the others from being told of.
		s.guarded(func() { next.text = s.lastLine(id, name, size) })
		if again := stdout < l.stdout || stderr < l.stderr; next.text == "" && !again {
			next.text = l.text // blank lines say nothing
		}
		if s.printed.set(id, next) {
			news = append(news, Printed{id, next.text})
		}
	}
	s.printed.keep(going)
	return news
}

// going returns the runs in flight whose command goes on.
func (t *table) going() (ids []record.ID) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, r := range t.flying {
		if r.status == statusRunning {
			ids = append(ids, t.words.id(r))
		}
	}
	return ids
}

// lastLine returns the last line with text of what a stream ends in, "" when there is none. A
// stream that cannot be read is that of a run that has just been committed.
func (s *Server) lastLine(id record.ID, name record.StreamName, size int64) string {
	from := max(0, size-printedLook)
	f, err := s.runs.Follow(id, name, from, 2*printedLook)
	if err != nil {
		return ""
	}
	if i := bytes.IndexAny(f.Data, "\r\n"); from > 0 && len(bytes.TrimSpace(f.Data[i+1:])) > 0 {
		f.Data = f.Data[i+1:] // the line has begun before
	}
	lines, _, err := paint(f.Data, "")
	if err != nil {
		return ""
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if text := plainText(lines[i]); text != "" {
			return clip(text)
		}
	}
	return ""
}

var tags = lazy.Regexp(`<[^>]*>`)

// plainText returns the text of a line that a painter has made.
func plainText(line string) string {
	return strings.TrimSpace(html.UnescapeString(tags().ReplaceAllString(line, "")))
}
