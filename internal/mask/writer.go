package mask

import (
	"errors"
	"io"
)

// A Writer masks a stream on its way to another writer. It holds back what may be the beginning
// of a value, of which the rest is still to come. With patterns it also holds back the last line
// until it is complete, up to 64 KiB. It is for one goroutine.
type Writer struct {
	first  io.Writer
	stages []interface{ close() error }
	counts Counts
}

// Writer returns a writer that masks what it passes on to w. It is nil if nothing in streams is
// to be masked: the caller then writes to w itself.
func (s *Set) Writer(w io.Writer) *Writer {
	if s == nil || s.search == nil && len(s.patterns) == 0 {
		return nil
	}
	m := &Writer{counts: Counts{}}
	if len(s.patterns) > 0 {
		p := &patternWriter{set: s, to: w, counts: m.counts}
		m.stages, w = append(m.stages, p), p
	}
	if s.search != nil {
		v := &valueWriter{search: s.search, to: w, counts: m.counts}
		m.stages, w = append(m.stages, v), v
	}
	m.first = w
	return m
}

// Write implements io.Writer. The error is that of the writer behind.
func (m *Writer) Write(b []byte) (int, error) { return m.first.Write(b) }

// Close passes on what was held back. It does not close the writer behind.
func (m *Writer) Close() error {
	var errs []error
	for i := len(m.stages) - 1; i >= 0; i-- {
		errs = append(errs, m.stages[i].close())
	}
	return errors.Join(errs...)
}

// Counts returns how often secrets were masked up to now.
func (m *Writer) Counts() Counts { return m.counts }

// A valueWriter masks values in a stream.
type valueWriter struct {
	search *search
	to     io.Writer
	counts Counts
	held   []byte // with which a needle begins
	out    []byte
}

// Write implements io.Writer.
func (w *valueWriter) Write(b []byte) (int, error) {
	n := len(b)
	w.out = w.out[:0]
	if len(w.held) > 0 {
		joined := append(w.held, b[:min(len(b), w.search.longest)]...)
		if len(b) <= w.search.longest {
			return n, w.pass(joined)
		}
		// What begins in the held bytes ends in the joined ones.
		held := len(w.held)
		pos, out := w.search.replace(w.out, joined, held, true, w.counts)
		if out == nil {
			out = append(w.out, joined[:held]...)
		}
		w.held, w.out = joined[:0], out
		b = b[pos-held:]
	}
	return n, w.pass(b)
}

// pass passes on the bytes in out, and those of text up to what may be the beginning of a needle.
func (w *valueWriter) pass(text []byte) error {
	pos, out := w.search.replace(w.out, text, len(text), false, w.counts)
	if out == nil { // nothing found, the usual case: the text is not copied
		if err := writeSome(w.to, w.out); err != nil {
			return err
		}
		out = text[:pos]
	} else {
		w.out = out
	}
	err := writeSome(w.to, out)
	w.held = append(w.held[:0], text[pos:]...)
	return err
}

func (w *valueWriter) close() error {
	pos, out := w.search.replace(w.out[:0], w.held, len(w.held), true, w.counts)
	if out == nil {
		out = w.held[:pos]
	}
	w.held = nil
	return writeSome(w.to, out)
}

func writeSome(w io.Writer, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := w.Write(b)
	return err
}

// replace masks the needles that begin before limit, and appends the result to out; its result is
// nil if there are none. pos is the position after it in the text: limit, or the end of the last
// needle if that is later. If whole is false the text goes on, and limit is its end: then pos is
// the first place where a needle may begin whose rest is still to come.
func (s *search) replace(out, text []byte, limit int, whole bool, counts Counts) (pos int, masked []byte) {
	stop, known := limit, whole
	for {
		if !known || stop < pos {
			if stop, known = limit, true; !whole {
				stop = limit - s.begun(text[min(pos, limit):])
			}
		}
		at, n := s.find(text, pos, max(pos, stop))
		if n < 0 {
			break
		}
		out = append(append(out, text[pos:at]...), s.needles[n].marker...)
		counts[s.needles[n].name]++
		pos = at + len(s.needles[n].text)
		masked = out
	}
	if masked == nil {
		return stop, nil
	}
	if pos < stop {
		masked, pos = append(masked, text[pos:stop]...), stop
	}
	return pos, masked
}
