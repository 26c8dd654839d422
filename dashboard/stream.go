package dashboard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"qme/dashboard/paint"
	"qme/record"
	"qme/tasks"
)

// A lazyStream reads a stored stream from any offset. A compressed stream can only be
// read from its beginning, so seeking back is expensive, but reading on is not. It must
// not be used concurrently.
type lazyStream struct {
	open func() (io.ReadCloser, error)
	size int64
	at   int64 // the offset of the next Read
	r    io.ReadCloser
	pos  int64 // the offset of r
}

// Seek implements io.Seeker.
func (l *lazyStream) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += l.at
	case io.SeekEnd:
		offset += l.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d: %w", offset, record.ErrInvalid)
	}
	l.at = offset
	return offset, nil
}

// Read implements io.Reader.
func (l *lazyStream) Read(b []byte) (int, error) {
	if l.at >= l.size {
		return 0, io.EOF
	}
	if l.r != nil && l.pos > l.at {
		if err := l.Close(); err != nil {
			return 0, err
		}
	}
	if l.r == nil {
		r, err := l.open()
		if err != nil {
			return 0, err
		}
		l.r, l.pos = r, 0
	}
	if l.pos < l.at {
		n, err := io.CopyN(io.Discard, l.r, l.at-l.pos)
		if l.pos += n; err != nil {
			return 0, err
		}
	}
	n, err := l.r.Read(b)
	l.pos += int64(n)
	l.at = l.pos
	return n, err
}

// Close closes the underlying stream. A later Read opens it again.
func (l *lazyStream) Close() error {
	if l.r == nil {
		return nil
	}
	err := l.r.Close()
	l.r = nil
	return err
}

// stored returns the number of stored bytes of a stream and the number that the command
// wrote, and the range that is not stored, nil if there is none.
func stored(rec *record.Record, name record.StreamName) (stored, size int64, cut *record.Cut) {
	lines, s := name.Of(rec)
	if s != nil {
		return s.Stored(), s.Size, s.Cut
	}
	for _, l := range lines {
		size += int64(len(l))
	}
	return size, size, nil
}

// storedStream returns a run's stored stream.
func storedStream(r tasks.Version, name record.StreamName) *lazyStream {
	n, _, _ := stored(r.Record, name)
	return &lazyStream{open: func() (io.ReadCloser, error) { return r.Stream(name) }, size: n}
}

// A runStream identifies a stream of a run, even after merges.
type runStream struct {
	id      record.ID
	started int64
	host    string
	name    record.StreamName
}

func streamOf(r tasks.Version, name record.StreamName) runStream {
	return runStream{r.Record.UID, r.Record.Data.Timestamp.UnixMicro(), r.Record.Data.Host, name}
}

// A readers keeps streams open that clients read in pieces, so that all pieces together
// cost no more than a single read. It is safe for concurrent use.
type readers struct {
	mu   sync.Mutex
	list []openReader
}

type openReader struct {
	of     runStream
	stream *lazyStream
}

// readersKept is the maximal number of open streams.
const readersKept = 8

// take returns an open stream at an offset, or a new one. It belongs to the caller until
// give.
func (rs *readers) take(r tasks.Version, name record.StreamName, at int64) *lazyStream {
	of := streamOf(r, name)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i, o := range rs.list {
		if o.of == of && o.stream.pos == at {
			rs.list = append(rs.list[:i:i], rs.list[i+1:]...)
			return o.stream
		}
	}
	return storedStream(r, name)
}

// give keeps a stream for the next piece.
func (rs *readers) give(r tasks.Version, name record.StreamName, stream *lazyStream) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.list = append(rs.list, openReader{streamOf(r, name), stream})
	if len(rs.list) <= readersKept {
		return nil
	}
	oldest := rs.list[0].stream
	rs.list = rs.list[1:]
	return oldest.Close()
}

func (rs *readers) close() error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var errs []error
	for _, o := range rs.list {
		errs = append(errs, o.stream.Close())
	}
	rs.list = nil
	return errors.Join(errs...)
}

// readStored reads up to limit stored bytes of a stream. from is an offset in the output
// as the command wrote it. It returns the offset of the first byte, which is greater than
// from if the bytes there are not stored. The error wraps record.ErrCorrupt if the stream
// is shorter than its record says.
func (rs *readers) readStored(r tasks.Version, name record.StreamName, from, limit int64) (at int64, data []byte, err error) {
	n, size, cut := stored(r.Record, name)
	at = min(from, size)
	place, end := at, n
	switch {
	case cut == nil:
	case at < cut.Offset:
		end = cut.Offset // a piece ends at the missing range
	default:
		at = max(at, cut.Offset+cut.Bytes)
		place = at - cut.Bytes
	}
	stream := rs.take(r, name, place)
	if _, err := stream.Seek(place, io.SeekStart); err != nil {
		return 0, nil, err
	}
	data = make([]byte, max(0, min(limit, end-place)))
	got, err := io.ReadFull(stream, data)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = fmt.Errorf("task %s: its %s ends %d bytes early: %w", r.Record.UID, name, len(data)-got, record.ErrCorrupt)
	}
	if err != nil {
		return 0, nil, errors.Join(err, stream.Close())
	}
	return at, data, rs.give(r, name, stream)
}

// An outputPiece is a part of a run's output, as HTML.
type outputPiece struct {
	Stream  record.StreamName `json:"stream"`
	Run     int               `json:"run"`
	Started record.Time       `json:"started"`
	Offset  int64             `json:"offset"`
	End     int64             `json:"end"`
	Style   string            `json:"style"`
	More    bool              `json:"more"`
	Running bool              `json:"running"`
	Stored  int64             `json:"stored"`
	Size    int64             `json:"size"`
	Cut     *record.Cut       `json:"cut"`
	Open    bool              `json:"open"`
	Lines   []string          `json:"lines"`
}

// piece returns a part of a run's output: whole lines, unless a line exceeds limit.
func (o *outputAPI) piece(r tasks.Version, name record.StreamName, offset, limit int64, style string) (*outputPiece, error) {
	p := &outputPiece{Stream: name, Run: r.Number, Started: r.Record.Data.Timestamp, Running: r.Record.Data.Status == record.Running}
	p.Stored, p.Size, p.Cut = stored(r.Record, name)
	var data []byte
	if p.Running {
		f, err := o.runs.Follow(r.Record.UID, name, offset, limit)
		if err != nil {
			return nil, err
		}
		p.Offset, data, p.Size = f.At, f.Data, max(f.Size, p.Size)
	} else {
		var err error
		if p.Offset, data, err = o.readers.readStored(r, name, offset, limit); err != nil {
			return nil, err
		}
	}
	last := p.Offset+int64(len(data)) >= p.Size
	end := p.Cut != nil && p.Offset+int64(len(data)) == p.Cut.Offset // the stored part ends here, even within a line
	if i := bytes.LastIndexByte(data, '\n'); i >= 0 && !end && (!last || p.Running) {
		data = data[:i+1]
	} else if p.Running && last && i < 0 {
		data = nil // clients that watch the stream get it
	}
	p.draw(data, style, last)
	return p, nil
}

// draw sets the lines of the piece from data, which begins at its offset.
func (p *outputPiece) draw(data []byte, style string, last bool) {
	painter := paint.New(style)
	painter.Draw(data)
	final, shown := painter.Lines()
	p.Lines = append(append([]string{}, final...), shown...)
	p.End, p.Style = p.Offset+int64(len(data)), painter.Style()
	if !last || p.Running {
		p.End -= int64(min(painter.Unfinished(), len(data)-1, 0x40))
	}
	if len(data) == 0 {
		p.End = p.Offset
	}
	p.More = !last && len(data) > 0
	p.Open = p.More && len(data) > 0 && data[len(data)-1] != '\n'
}
