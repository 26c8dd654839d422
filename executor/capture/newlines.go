package capture

import "bytes"

// newlines undoes a terminal's change of line ends on output (ONLCR): "\r\n" becomes "\n"
// again in the record. It is used by one goroutine.
type newlines struct {
	// onlcr says whether the pty makes "\r\n" of "\n" at present.
	onlcr func() bool
	// raw says whether the user's terminal passes bytes on unchanged. If not, it
	// adds the "\r" itself.
	raw func() bool
	cr  bool // the record lacks a "\r" that came last
	buf []byte
}

// split returns the bytes of b for the record and those for the terminal. Both are valid
// until the next call.
func (t *newlines) split(b []byte) (rec, screen []byte) {
	if !t.onlcr() {
		if !t.cr {
			return b, b
		}
		t.cr = false
		t.buf = append(append(t.buf[:0], '\r'), b...)
		return t.buf, b
	}
	screen = b
	if !t.raw() {
		screen = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	}
	t.buf = t.buf[:0]
	if t.cr {
		t.buf = append(t.buf, '\r')
		t.cr = false
	}
	t.buf = append(t.buf, b...)
	return t.undo(), screen
}

// undo works in place on buf and holds back a "\r" at its end, which the next chunk
// may turn out to belong to a newline.
func (t *newlines) undo() []byte {
	rec := bytes.ReplaceAll(t.buf, []byte("\r\n"), []byte("\n"))
	if n := len(rec); n > 0 && rec[n-1] == '\r' {
		t.cr = true
		rec = rec[:n-1]
	}
	return rec
}

// rest returns the byte that is still held back at the stream's end, if any.
func (t *newlines) rest() []byte {
	if !t.cr {
		return nil
	}
	t.cr = false
	return []byte("\r")
}
