package follow

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// A Tail reads a file that grows, from when it is there, also where that is begun anew: as a
// requeue does it, by truncating the file, or by putting another in its place. What the file
// holds from then on follows what has been read of it before. Close it. It is for one
// goroutine.
type Tail struct {
	// Open opens the file that has the name now. The error wraps fs.ErrNotExist while it is
	// not there.
	Open func() (*os.File, error)
	// Anew, if it is not nil, is called before the first byte of a file is read that was
	// begun anew after some of it had been read.
	Anew func()

	file *os.File
	read int64  // of the file as it is now
	last []byte // the last bytes that were read of it
}

// lastMost is how many bytes before the place of reading are compared each time: a file that
// was truncated may have grown again past that place since.
const lastMost = 256

// Opened reports whether the file has been there.
func (t *Tail) Opened() bool { return t.file != nil }

// Read implements io.Reader: io.EOF says that there is no more so far, and more may follow.
func (t *Tail) Read(p []byte) (int, error) {
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

// truncated begins at the beginning again where the file is not the one that was read.
func (t *Tail) truncated() error {
	if t.read == 0 {
		return nil
	}
	before := make([]byte, len(t.last))
	n, err := t.file.ReadAt(before, t.read-int64(len(before)))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(before[:n], t.last) {
		t.begin()
	}
	return nil
}

// replaced opens the file that has the name now, if that is another one.
func (t *Tail) replaced() (bool, error) {
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
		t.begin()
	}
	return true, err
}

func (t *Tail) begin() {
	t.read, t.last = 0, nil
	if t.Anew != nil {
		t.Anew()
	}
}

// Close implements io.Closer.
func (t *Tail) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
