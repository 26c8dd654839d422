package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/afero"

	"qme/record"
)

// A Recorder writes one stream of a run as it arrives: all of it up to a limit,
// of a longer one the first and the last half of that. It is an io.Writer for one
// goroutine.
type Recorder struct {
	e    *Entry
	name record.StreamName
	half int64

	head, ring, count afero.File
	size              int64
	sum               hash.Hash
	hashed            chan struct{}
	failed            bool // some bytes that came are not stored
}

// Recorder returns the recorder of one of the run's streams, of which at most keep
// bytes are stored (two at the least). Nothing is made on disk before the first byte.
func (e *Entry) Recorder(name record.StreamName, keep int64) *Recorder {
	return &Recorder{e: e, name: name, half: max(1, (keep+1)/2), sum: sha256.New(), hashed: make(chan struct{})}
}

// largeChunk is from when on hashing is worth a goroutine of its own.
const largeChunk = 32 << 10

// Write stores b. After an error the recorder is of no further use; what it has
// stored stays.
func (r *Recorder) Write(b []byte) (int, error) {
	if len(b) >= largeChunk {
		go func() {
			r.sum.Write(b)
			r.hashed <- struct{}{}
		}()
		defer func() { <-r.hashed }()
	} else {
		r.sum.Write(b)
	}
	n, err := r.store(b)
	r.failed = r.failed || err != nil
	return n, err
}

func (r *Recorder) store(b []byte) (int, error) {
	done := 0
	if r.size < r.half {
		if err := r.openFile(&r.head, ""); err != nil {
			return 0, err
		}
		n, err := r.head.Write(b[:min(int64(len(b)), r.half-r.size)])
		r.size += int64(n)
		if done = n; err != nil || done == len(b) {
			return done, err
		}
	}
	if err := errors.Join(r.openFile(&r.ring, ".tail"), r.openFile(&r.count, ".size")); err != nil {
		return done, err
	}
	for done < len(b) {
		at := (r.size - r.half) % r.half
		n, err := r.ring.WriteAt(b[done:done+int(min(int64(len(b)-done), r.half-at))], at)
		r.size += int64(n)
		done += n
		if err != nil {
			return done, err
		}
	}
	// After the bytes: a count that is too small loses the last of them, one
	// that is too large would make old bytes pass for new ones.
	var text [8]byte
	binary.BigEndian.PutUint64(text[:], uint64(r.size))
	_, err := r.count.WriteAt(text[:], 0)
	return done, err
}

func (r *Recorder) openFile(f *afero.File, ext string) error {
	if *f != nil {
		return nil
	}
	opened, err := r.e.fs.OpenFile(filepath.Join(r.e.dir, string(r.name)+ext), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		*f = opened
	}
	return err
}

// Close ends the stream and puts it into the record: in it, up to inline bytes of
// UTF-8, else as a description of what Stream returns.
func (r *Recorder) Close(rec *record.Record, inline int) error {
	var errs []error
	for _, f := range []afero.File{r.head, r.ring, r.count} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	c := &captured{fs: r.e.fs, dir: r.e.dir, name: r.name, size: r.size, half: r.half, sum: r.sum}
	if r.ring == nil {
		c.half = r.size
	}
	if r.failed {
		// What the files say is what Streams returns, and the sum is of bytes
		// that are not there.
		stored, err := openCapture(r.e.fs, r.e.dir, r.name)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		c = stored
	}
	return errors.Join(append(errs, c.describe(rec, inline, true))...)
}

// A captured is a stream as it lies in an entry.
type captured struct {
	fs   afero.Fs
	dir  string
	name record.StreamName
	size int64     // bytes that came
	half int64     // bytes in the first file, and the size of the ring
	sum  hash.Hash // of all bytes that came; nil when it is not known
}

// openCapture looks at what a process has stored of a stream, or is storing.
func openCapture(fsys afero.Fs, dir string, name record.StreamName) (*captured, error) {
	c := &captured{fs: fsys, dir: dir, name: name}
	// The count first: once there is one, the first file has its full size, also
	// while the run goes on.
	b, counted := afero.ReadFile(fsys, filepath.Join(dir, string(name)+".size"))
	if counted != nil && !errors.Is(counted, fs.ErrNotExist) {
		return nil, counted
	}
	info, err := fsys.Stat(filepath.Join(dir, string(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	} else if err != nil {
		return nil, err
	}
	c.size, c.half = info.Size(), info.Size()
	if counted == nil && len(b) == 8 {
		c.size = max(c.size, int64(binary.BigEndian.Uint64(b)))
	}
	return c, nil
}

// cut says which bytes are not stored, nil when all are.
func (c *captured) cut() *record.Cut {
	if c.size <= 2*c.half {
		return nil
	}
	return &record.Cut{Offset: c.half, Bytes: c.size - 2*c.half}
}

func (c *captured) stored() int64 {
	if cut := c.cut(); cut != nil {
		return c.size - cut.Bytes
	}
	return c.size
}

// describe puts the stream into a record. final says that no more comes, so that
// a hash is worth having.
func (c *captured) describe(rec *record.Record, inline int, final bool) error {
	if c.size == 0 {
		c.name.Set(rec, []string{}, nil)
		return nil
	}
	if c.size <= int64(inline) && c.cut() == nil {
		b, err := c.read(0, c.size)
		if err != nil {
			return err
		}
		if !final {
			b = record.TrimRune(b)
		}
		if record.Inline(b, inline) {
			c.name.Set(rec, record.Lines(string(b)), nil)
			return nil
		}
	}
	const part = 4 << 10
	stored := c.stored()
	head, err := c.read(0, min(part, stored))
	if err != nil {
		return err
	}
	tail, err := c.read(max(0, stored-part), stored)
	if err != nil {
		return err
	}
	s := &record.Stream{Size: c.size, Cut: c.cut()}
	if final {
		if s.SHA256, err = c.hash(); err != nil {
			return err
		}
	}
	c.name.Set(rec, record.Preview(head, tail, stored <= part), s)
	return nil
}

// hash returns the hex SHA-256 of all bytes that came, "" when some are lost and
// nobody has counted them.
func (c *captured) hash() (string, error) {
	if c.sum == nil {
		if c.cut() != nil {
			return "", nil
		}
		c.sum = sha256.New()
		r, err := c.open()
		if err != nil {
			return "", err
		}
		_, err = io.Copy(c.sum, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(c.sum.Sum(nil)), nil
}

// read returns the stored bytes from one offset to another.
func (c *captured) read(from, to int64) ([]byte, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	_, err = r.Seek(from, io.SeekStart)
	b := make([]byte, to-from)
	if err == nil {
		_, err = io.ReadFull(r, b)
	}
	return b, errors.Join(err, r.Close())
}

// Open returns a reader of what is stored: the first file, then the ring from its
// oldest byte.
func (c *captured) open() (*storedReader, error) {
	if c.size == 0 {
		return &storedReader{ReadSeeker: bytes.NewReader(nil)}, nil
	}
	head, err := c.fs.Open(filepath.Join(c.dir, string(c.name)))
	if err != nil {
		return nil, err
	}
	parts := []part{{head, 0, c.half}}
	files := []afero.File{head}
	if over := c.size - c.half; over > 0 {
		ring, err := c.fs.Open(filepath.Join(c.dir, string(c.name)+".tail"))
		if err != nil {
			return nil, errors.Join(err, head.Close())
		}
		files = append(files, ring)
		if over <= c.half {
			parts = append(parts, part{ring, 0, over})
		} else {
			oldest := over % c.half
			parts = append(parts, part{ring, oldest, c.half - oldest}, part{ring, 0, oldest})
		}
	}
	at := &partsReader{parts: parts}
	return &storedReader{io.NewSectionReader(at, 0, c.stored()), files}, nil
}

type storedReader struct {
	io.ReadSeeker
	files []afero.File
}

// Close closes the files.
func (s *storedReader) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

type part struct {
	file   afero.File
	offset int64
	size   int64
}

// partsReader reads parts of files one behind the other.
type partsReader struct{ parts []part }

// ReadAt implements io.ReaderAt.
func (p *partsReader) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for _, pt := range p.parts {
		if off >= pt.size {
			off -= pt.size
			continue
		}
		want := min(int64(len(b)-n), pt.size-off)
		m, err := pt.file.ReadAt(b[n:n+int(want)], pt.offset+off)
		n += m
		if err != nil && int64(m) < want {
			return n, fmt.Errorf("%s: %w", pt.file.Name(), err)
		}
		if off = 0; n == len(b) {
			return n, nil
		}
	}
	return n, io.EOF
}

// Streams returns the content of those streams that a record of this entry
// describes in a file.
func (e *Entry) Streams(rec *record.Record) (map[record.StreamName]record.Blob, error) {
	blobs := map[record.StreamName]record.Blob{}
	for _, name := range []record.StreamName{record.Stdout, record.Stderr} {
		if _, s := name.Of(rec); s == nil {
			continue
		}
		c, err := openCapture(e.fs, e.dir, name)
		if err != nil {
			return nil, err
		}
		blobs[name] = record.Blob{Size: c.stored(), Open: func() (io.ReadCloser, error) { return c.open() }}
	}
	return blobs, nil
}

// Salvage returns the record of an entry that was taken over: as it is, when the
// run had ended, else as cancelled, with the output that had arrived.
func (e *Entry) Salvage(inline int) (*record.Record, error) {
	rec, err := readRecord(e.fs, e.dir, e.id)
	if err != nil || rec.Data.Status != record.Running {
		return rec, err
	}
	for _, name := range []record.StreamName{record.Stdout, record.Stderr} {
		c, err := openCapture(e.fs, e.dir, name)
		if err != nil {
			return nil, err
		}
		if err := c.describe(rec, inline, true); err != nil {
			return nil, err
		}
	}
	rec.Data.Status = record.Cancelled
	return rec, nil
}
