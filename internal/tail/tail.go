// Package tail reads files that grow.
package tail

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// A Reader reads a growing file without waiting; a missing file is empty. The file may
// restart, as that of a requeued job does: it is truncated, or replaced by another file
// of the same name. The new content then follows the bytes read before. A Reader must be
// closed, and must not be used concurrently.
type Reader struct {
	// Open opens the file that currently has the name. The error wraps fs.ErrNotExist if
	// there is none.
	Open func() (*os.File, error)
	// Restarted, if not nil, is called after a partly read file has restarted, before its
	// first byte is read.
	Restarted func()

	file *os.File
	read int64  // offset in the current file
	last []byte // the last bytes read from it
}

// lastMost is the number of bytes before the offset that are compared at each read: a
// truncated file may have grown past the offset again.
const lastMost = 256

// Opened reports whether the file has ever existed.
func (t *Reader) Opened() bool { return t.file != nil }

// Read implements io.Reader. After io.EOF more bytes may follow later.
func (t *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if t.file == nil {
		file, err := t.Open()
		if errors.Is(err, fs.ErrNotExist) {
			return 0, io.EOF
		} else if err != nil {
			return 0, err
		}
		t.file = file
	}
	if err := t.truncated(); err != nil {
		return 0, err
	}
	n, err := t.file.ReadAt(p, t.read)
	if n == 0 && errors.Is(err, io.EOF) {
		replaced, rerr := t.replaced()
		if rerr != nil {
			return 0, rerr
		}
		if !replaced {
			return 0, io.EOF
		}
		n, err = t.file.ReadAt(p, 0)
	}
	t.read += int64(n)
	if t.last = append(t.last, p[:n]...); len(t.last) > lastMost {
		t.last = bytes.Clone(t.last[len(t.last)-lastMost:])
	}
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// truncated restarts the file if the bytes before the offset have changed.
func (t *Reader) truncated() error {
	if t.read == 0 {
		return nil
	}
	before := make([]byte, len(t.last))
	n, err := t.file.ReadAt(before, t.read-int64(len(before)))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(before[:n], t.last) {
		t.restart()
	}
	return nil
}

// replaced opens the file that currently has the name, if it is another one.
func (t *Reader) replaced() (bool, error) {
	now, err := t.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // removed: the file that is open has all there is
	} else if err != nil {
		return false, err
	}
	a, aerr := t.file.Stat()
	b, berr := now.Stat()
	if err := errors.Join(aerr, berr); err != nil || os.SameFile(a, b) {
		return false, errors.Join(err, now.Close())
	}
	err = t.file.Close()
	t.file = now
	if t.read > 0 {
		t.restart()
	}
	return true, err
}

func (t *Reader) restart() {
	t.read, t.last = 0, nil
	if t.Restarted != nil {
		t.Restarted()
	}
}

// Close implements io.Closer.
func (t *Reader) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
