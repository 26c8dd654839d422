package dashboard

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"qme/dashboard/paint"
	"qme/record"
)

const (
	// lastLineEvery is the minimal interval between two last lines of a run, and
	// lastLinesMost the number of runs whose line is read at a time; the others follow
	// later.
	lastLineEvery = 250 * time.Millisecond
	lastLinesMost = 200
	// lastLineLook is the number of bytes at the end of a stream that are searched for
	// its last line.
	lastLineLook = 2 << 10
)

// A printedLine is the last line printed by a running command, as plain text.
type printedLine struct {
	ID   record.ID `json:"id"`
	Line string    `json:"line"`
}

// lastLines holds the last line of each running command. It is safe for concurrent use.
type lastLines struct {
	runs       runs
	background *background

	mu    sync.Mutex
	last  map[record.ID]lastLine
	count uint64 // of changes
}

// A lastLine is the last line printed by a run.
type lastLine struct {
	stdout, stderr int64     // the sizes of the streams when the line was read
	at             time.Time // time of reading
	text           string
}

// grown returns the stream that has grown since the line was read, and its size; "" if
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

func (p *lastLines) get(id record.ID) lastLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[id]
}

// set sets the line of a run and reports whether its text has changed.
func (p *lastLines) set(id record.ID, l lastLine) bool {
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

// keep removes the lines of all runs that are not in list.
func (p *lastLines) keep(list []record.ID) {
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

// addTo sets the last line in the summaries of running tasks in list, and returns list.
func (p *lastLines) addTo(list []summary) []summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range list {
		if list[i].Status == record.Running {
			list[i].LastLine = p.last[list[i].ID].text
		}
	}
	return list
}

// changes returns the number of changes of any line.
func (p *lastLines) changes() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// read reads the last lines of the running tasks, and returns those that have changed
// since the last call. It must not be called concurrently.
func (p *lastLines) read(going []record.ID) (changed []printedLine) {
	now, read := time.Now(), 0
	for _, id := range going {
		l := p.get(id)
		if now.Sub(l.at) < lastLineEvery || read == lastLinesMost {
			continue
		}
		stdout, stderr, err := p.runs.Written(id)
		if err != nil {
			continue // the page of the task shows the error
		}
		name, size := l.grown(stdout, stderr)
		if name == "" {
			continue
		}
		read++
		next := lastLine{stdout: stdout, stderr: stderr, at: now}
		// A panic at one line must not prevent the others from being read.
		p.background.try(func() { next.text = p.lastLine(id, name, size) })
		if again := stdout < l.stdout || stderr < l.stderr; next.text == "" && !again {
			next.text = l.text // ignore blank lines
		}
		if p.set(id, next) {
			changed = append(changed, printedLine{id, next.text})
		}
	}
	p.keep(going)
	return changed
}

// going returns the uncommitted runs whose command is still running.
func (t *table) going() (ids []record.ID) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, r := range t.running {
		if r.status == statusRunning {
			ids = append(ids, t.words.id(r))
		}
	}
	return ids
}

// lastLine returns the last line that is not blank near the end of a stream, "" if there
// is none. It returns "" for a stream that cannot be read, since its run has just been
// committed.
func (p *lastLines) lastLine(id record.ID, name record.StreamName, size int64) string {
	from := max(0, size-lastLineLook)
	f, err := p.runs.Follow(id, name, from, 2*lastLineLook)
	if err != nil {
		return ""
	}
	if i := bytes.IndexAny(f.Data, "\r\n"); from > 0 && len(bytes.TrimSpace(f.Data[i+1:])) > 0 {
		f.Data = f.Data[i+1:] // skip a line that begins before the piece
	}
	for _, line := range slices.Backward(paint.Lines(f.Data)) {
		if text := paint.PlainText(line); text != "" {
			return clip(text)
		}
	}
	return ""
}
