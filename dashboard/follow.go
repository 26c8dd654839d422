package dashboard

import (
	"bytes"
	"context"
	"errors"

	"qme/record"
	"qme/tasks/spool"
)

// A watchKey names an output that is watched.
type watchKey struct {
	id   record.ID
	name record.StreamName
}

// A watch is a client's wish to see output as it comes.
type watch struct {
	watchKey
	at      int64 // how much of it has been read
	paint   *painter
	started *record.Time
	run     int
	base    int      // the number of the first line that is on the screen
	shown   []string // what is on the screen
	skipped int64
	mark    mark
}

// A mark is a place at which a watch can be taken up again: a byte at which a line begins, the colours
// in force there, and how many lines come before.
type mark struct {
	End   int64  `json:"end"`
	Style string `json:"style"`
	Kept  int    `json:"kept"`
}

const (
	// followPiece is how much of an output is taken at a time, and followBehind from where on the rest of it is
	// left out, since nobody reads it.
	followPiece  = 256 << 10
	followBehind = 2 << 20
	// followKeep is how much is shown of what is left out.
	followKeep = 64 << 10
	// followAhead is how many messages may wait for a client that is sent output: one that reads
	// more slowly than its command prints is sent less, and holds no memory.
	followAhead = 8
)

// An outputMessage tells of output.
type outputMessage struct {
	Type    string            `json:"type"`
	ID      record.ID         `json:"id"`
	Stream  record.StreamName `json:"stream"`
	Run     int               `json:"run"`
	Started *record.Time      `json:"started"`
	Line    int               `json:"line"`
	Lines   []string          `json:"lines"`
	Size    int64             `json:"size"`
	Skipped int64             `json:"skipped"`
	Done    bool              `json:"done"`
	mark
}

// startFollow has a client be sent what is new of what it watches, and does not wait: some output
// takes seconds to draw. It does nothing while that is going on for this client.
func (s *Server) startFollow(ctx context.Context, c *client) {
	c.mu.Lock()
	idle := len(c.watches) == 0
	c.mu.Unlock()
	if idle || !c.following.CompareAndSwap(false, true) {
		return
	}
	s.background.Go(func() {
		defer c.following.Store(false)
		s.guarded(func() { s.follow(ctx, c) })
	})
}

// follow sends a client what is new of what it watches.
func (s *Server) follow(ctx context.Context, c *client) {
	c.mu.Lock()
	watches := make([]*watch, 0, len(c.watches))
	for _, w := range c.watches {
		watches = append(watches, w)
	}
	c.mu.Unlock()
	for _, w := range watches {
		if len(c.queue) >= followAhead {
			return
		}
		var m *outputMessage
		err := safely(func() (err error) {
			m, err = s.advance(w)
			return err
		})
		if err != nil {
			detail := problemOf(err).Detail
			c.send(s.prepare(message{Type: "error", Detail: &detail}))
		}
		if m != nil {
			c.send(s.prepare(m))
		}
		if err != nil || m != nil && m.Done {
			c.mu.Lock()
			if c.watches[w.watchKey] == w {
				delete(c.watches, w.watchKey)
			}
			c.mu.Unlock()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// advance reads on and returns what is to be said, nil when there is nothing new.
func (s *Server) advance(w *watch) (*outputMessage, error) {
	rec, err := s.runs.Get(w.id, 0)
	if err == nil && (w.started == nil || rec.Data.Timestamp.Equal(w.started.Time)) {
		w.started, w.run = &rec.Data.Timestamp, rec.Data.Run
		f, err := s.runs.Follow(w.id, w.name, w.at, followPiece)
		if err == nil && f.Size-w.at > followBehind {
			f, err = s.runs.Follow(w.id, w.name, f.Size-followKeep, followPiece)
			if i := bytes.IndexByte(f.Data, '\n'); i >= 0 {
				f.At, f.Data = f.At+int64(i)+1, f.Data[i+1:]
			}
		}
		if !errors.Is(err, record.ErrNotFound) {
			if err != nil || len(f.Data) == 0 {
				return nil, err
			}
			return w.put(f, false)
		}
	} else if err != nil && !errors.Is(err, record.ErrNotFound) {
		return nil, err
	}
	return s.finish(w)
}

// finish sends the rest of a run that is in the history by now.
func (s *Server) finish(w *watch) (*outputMessage, error) {
	r, err := s.tasks.Find(string(w.id), 0)
	if err != nil {
		return nil, err
	}
	if w.started == nil && r.Record.Data.Status != record.Running {
		w.started, w.run = &r.Record.Data.Timestamp, r.Record.Data.Run
	}
	if r.Record.Data.Status == record.Running || !r.Record.Data.Timestamp.Equal(w.started.Time) {
		if w.started == nil {
			return nil, nil // it has just begun
		}
		return w.put(spool.Piece{At: w.at, Size: w.at}, true) // another run has begun meanwhile
	}
	_, size, _ := stored(r.Record, w.name)
	from := w.at
	if size-from > followBehind {
		from = size - followKeep
	}
	at, data, err := s.readers.readStored(r, w.name, from, followBehind)
	if err != nil {
		return nil, err
	}
	done := at+int64(len(data)) >= size
	return w.put(spool.Piece{At: at, Data: data, Size: size}, done)
}

// put draws what was read and returns which lines that changes.
func (w *watch) put(f spool.Piece, done bool) (*outputMessage, error) {
	w.skipped += max(0, f.At-w.at)
	w.at = f.At + int64(len(f.Data))
	final, shown, err := w.draw(f)
	if err != nil {
		return nil, err
	}
	lines := append(append([]string{}, final...), shown...)
	same := 0
	for same < len(lines) && same < len(w.shown) && lines[same] == w.shown[same] {
		same++
	}
	m := &outputMessage{
		Type: "output", ID: w.id, Stream: w.name, Run: w.run, Started: w.started,
		Line: w.base + same, Lines: lines[same:], Size: f.Size, Skipped: w.skipped, Done: done, mark: w.mark,
	}
	w.base, w.shown = w.base+len(final), shown
	return m, nil
}

// draw draws what was read, and marks where its last line begins.
func (w *watch) draw(f spool.Piece) (final, shown []string, err error) {
	ended := bytes.LastIndexByte(f.Data, '\n') + 1
	if ended > 0 {
		if _, err := w.paint.Write(f.Data[:ended]); err != nil {
			return nil, nil, err
		}
		final, shown = w.paint.lines()
		w.mark = mark{f.At + int64(ended), w.paint.style(), w.base + len(final) + len(shown)}
	}
	if ended < len(f.Data) || ended == 0 {
		if _, err := w.paint.Write(f.Data[ended:]); err != nil {
			return nil, nil, err
		}
		var more []string
		more, shown = w.paint.lines()
		final = append(final, more...)
	}
	return final, shown, nil
}
