// Package tail reads files that grow.
package tail

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// A Reader reads a file that grows, and waits for none: a file that is not there yet is
// empty. The file may start again, as that of a job does that is requeued: it is truncated,
// or another one takes its name. The new content then follows the bytes that were read
// before. A Reader is to be closed, and is for one goroutine.
type Reader struct {
	// Open opens the file that has the name now. The error wraps fs.ErrNotExist while there
	// is none.
	Open func() (*os.File, error)
	// Restarted, if it is not nil, is called when a file of which some was read has started
	// again, before its first byte is read.
	Restarted func()

	file *os.File
	read int64  // of the file as it is now
	last []byte // the last bytes that were read of it
}

// lastMost is how many bytes before the place of reading are compared each time: a file that
// was truncated may have grown again past that place since.
const lastMost = 256

// Opened reports whether the file was there at any time.
func (t *Reader) Opened() bool { return t.file != nil }

// Read implements io.Reader: io.EOF says that there is no more so far, and more may follow.
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

// truncated starts again where the bytes before the place of reading are others now.
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

// replaced opens the file that has the name now, if that is another one.
func (t *Reader) replaced() (bool, error) {
	now, err := t.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it was removed, and the one that was read is all there is
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
