package capture

import "bytes"

// newlines undoes the conversion of line ends by a terminal (ONLCR): "\r\n" becomes "\n"
// in the record. It must not be used concurrently.
type newlines struct {
	// onlcr reports whether the pty currently converts "\n" to "\r\n".
	onlcr func() bool
	// raw reports whether the user's terminal passes bytes on unchanged. If not, it adds
	// the "\r" itself.
	raw func() bool
	cr  bool // a trailing "\r" has not been recorded yet
	buf []byte
}

// split returns the bytes of b for the record and for the terminal. Both are valid until
// the next call.
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

// undo works in place on buf. It holds back a trailing "\r", which may belong to a
// newline in the next chunk.
func (t *newlines) undo() []byte {
	rec := bytes.ReplaceAll(t.buf, []byte("\r\n"), []byte("\n"))
	if n := len(rec); n > 0 && rec[n-1] == '\r' {
		t.cr = true
		rec = rec[:n-1]
	}
	return rec
}

// rest returns a byte still held back at the end of the stream, if any.
func (t *newlines) rest() []byte {
	if !t.cr {
		return nil
	}
	t.cr = false
	return []byte("\r")
}
