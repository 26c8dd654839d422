package dashboard

import (
	"bytes"
	"errors"

	"qme/dashboard/paint"
	"qme/record"
	"qme/tasks/spool"
)

// An outputKey names a stream of a task.
type outputKey struct {
	id   record.ID
	name record.StreamName
}

// A subscription is a client's request for the output of a run as it is printed. It must
// not be used concurrently.
type subscription struct {
	outputKey
	offset  int64 // of the next byte to read
	painter *paint.Painter
	started *record.Time // of the run; nil until it is known
	run     int
	base    int      // the number of the first line on the screen
	shown   []string // the lines on the screen
	skipped int64    // bytes
	mark    mark
}

// newSubscription returns a subscription that starts at an offset with a style; see mark.
func newSubscription(key outputKey, offset int64, style string) *subscription {
	return &subscription{outputKey: key, offset: offset, painter: paint.New(style), mark: mark{End: offset, Style: style}}
}

// A mark is a position from which a later subscription can continue: the offset of the
// beginning of a line, the style there, and the number of lines before it.
type mark struct {
	End   int64  `json:"end"`
	Style string `json:"style"`
	Kept  int    `json:"kept"`
}

const (
	// followPiece is the number of bytes read at a time.
	followPiece = 256 << 10
	// If the backlog exceeds followBehind bytes, all but the last followKeep bytes are
	// skipped, since that is more than anyone reads.
	followBehind = 2 << 20
	followKeep   = 64 << 10
)

// advance reads the new output and returns a message with the new lines, nil if there are
// none.
func (o *outputAPI) advance(sub *subscription) (*outputMessage, error) {
	rec, err := o.runs.Get(sub.id, 0)
	if err == nil && (sub.started == nil || rec.Data.Timestamp.Equal(sub.started.Time)) {
		sub.started, sub.run = &rec.Data.Timestamp, rec.Data.Run
		f, err := o.runs.Follow(sub.id, sub.name, sub.offset, followPiece)
		if err == nil && f.Size-sub.offset > followBehind {
			f, err = o.runs.Follow(sub.id, sub.name, f.Size-followKeep, followPiece)
			if i := bytes.IndexByte(f.Data, '\n'); i >= 0 {
				f.At, f.Data = f.At+int64(i)+1, f.Data[i+1:]
			}
		}
		if !errors.Is(err, record.ErrNotFound) {
			if err != nil || len(f.Data) == 0 {
				return nil, err
			}
			return sub.put(f, false), nil
		}
	} else if err != nil && !errors.Is(err, record.ErrNotFound) {
		return nil, err
	}
	return o.finish(sub)
}

// finish is advance for a run that is not in the spool: it is in the history, or has just
// begun.
func (o *outputAPI) finish(sub *subscription) (*outputMessage, error) {
	r, err := o.home.Find(string(sub.id), 0)
	if err != nil {
		return nil, err
	}
	if sub.started == nil && r.Record.Data.Status != record.Running {
		sub.started, sub.run = &r.Record.Data.Timestamp, r.Record.Data.Run
	}
	if r.Record.Data.Status == record.Running || !r.Record.Data.Timestamp.Equal(sub.started.Time) {
		if sub.started == nil {
			return nil, nil // it has just begun
		}
		return sub.put(spool.Piece{At: sub.offset, Size: sub.offset}, true), nil // another run has begun
	}
	_, size, _ := stored(r.Record, sub.name)
	from := sub.offset
	if size-from > followBehind {
		from = size - followKeep
	}
	at, data, err := o.readers.readStored(r, sub.name, from, followBehind)
	if err != nil {
		return nil, err
	}
	done := at+int64(len(data)) >= size
	return sub.put(spool.Piece{At: at, Data: data, Size: size}, done), nil
}

// put draws a piece of output and returns a message with the changed lines.
func (sub *subscription) put(f spool.Piece, done bool) *outputMessage {
	sub.skipped += max(0, f.At-sub.offset)
	sub.offset = f.At + int64(len(f.Data))
	final, shown := sub.draw(f)
	lines := append(append([]string{}, final...), shown...)
	same := 0
	for same < len(lines) && same < len(sub.shown) && lines[same] == sub.shown[same] {
		same++
	}
	m := &outputMessage{
		Type: "output", ID: sub.id, Stream: sub.name, Run: sub.run, Started: sub.started,
		Line: sub.base + same, Lines: lines[same:], Size: f.Size, Skipped: sub.skipped, Done: done, mark: sub.mark,
	}
	sub.base, sub.shown = sub.base+len(final), shown
	return m
}

// draw draws a piece of output, and moves the mark to the beginning of its last line.
func (sub *subscription) draw(f spool.Piece) (final, shown []string) {
	ended := bytes.LastIndexByte(f.Data, '\n') + 1
	if ended > 0 {
		sub.painter.Draw(f.Data[:ended])
		final, shown = sub.painter.Lines()
		sub.mark = mark{f.At + int64(ended), sub.painter.Style(), sub.base + len(final) + len(shown)}
	}
	if ended < len(f.Data) || ended == 0 {
		sub.painter.Draw(f.Data[ended:])
		var more []string
		more, shown = sub.painter.Lines()
		final = append(final, more...)
	}
	return final, shown
}
