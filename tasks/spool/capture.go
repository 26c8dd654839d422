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
	"path/filepath"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/internal/safe"
	"qme/record"
)

// A captured is a stream as it lies in an entry: its first bytes, and those from low to
// size, which lie in the ring.
type captured struct {
	fs   afero.Fs
	dir  string
	name record.StreamName
	size int64     // bytes that came, without those that are lost
	lost int64     // bytes that came behind them and could not be stored
	half int64     // bytes in the first file, and the size of the ring
	low  int64     // half at the least
	sum  hash.Hash // of all bytes that came; nil when it is not known
	live bool      // the ring may be written to while it is read
}

// openCapture looks at what a process has stored of a stream, or is storing.
func openCapture(fsys afero.Fs, dir string, name record.StreamName) (*captured, error) {
	c := &captured{fs: fsys, dir: dir, name: name}
	// The count first: once there is one, the first file has its full size, also
	// while the run goes on.
	low, size, err := c.count()
	if err != nil {
		return nil, err
	}
	came, err := losses(fsys, dir)
	if err != nil {
		return nil, err
	}
	info, err := fsys.Stat(c.path(""))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		c.lose(came[name])
		return c, nil
	} else if err != nil {
		return nil, err
	}
	c.half = info.Size()
	c.size = max(c.half, size)
	c.low = min(max(c.half, low), c.size)
	err = c.clampToRing()
	c.lose(came[name])
	return c, err
}

// lose takes over how many bytes came of a stream of which some could not be stored. A record
// names one gap: where there is one before the end already, it goes from there.
func (c *captured) lose(came int64) {
	if came <= c.size+c.lost {
		return
	}
	if c.low > c.half {
		c.size, c.low = c.half, c.half
	}
	c.lost = came - c.size
}

func (c *captured) path(ext string) string { return filepath.Join(c.dir, string(c.name)+ext) }

// count reads the two numbers beside the ring, 0 when there are none.
func (c *captured) count() (low, size int64, err error) {
	b, err := afero.ReadFile(c.fs, c.path(".size"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) != 16 {
		return 0, 0, nil
	} else if err != nil {
		return 0, 0, err
	}
	return int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), nil
}

// clampToRing leaves out what the ring does not have, as after a power cut.
func (c *captured) clampToRing() error {
	if c.size == c.low {
		return nil
	}
	info, err := c.fs.Stat(c.path(".tail"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var has int64
	if err == nil {
		has = info.Size()
	}
	if at := c.slot(); has < min(c.half, at+c.size-c.low) {
		c.size = c.low + max(0, has-at)
	}
	return nil
}

// slot is where the oldest byte of the ring lies.
func (c *captured) slot() int64 { return (c.low - c.half) % c.half }

// cut says which bytes are not stored, nil when all are.
func (c *captured) cut() *record.Cut {
	switch {
	case c.lost > 0:
		return &record.Cut{Offset: c.size, Bytes: c.lost}
	case c.low == c.half:
		return nil
	}
	return &record.Cut{Offset: c.half, Bytes: c.low - c.half}
}

func (c *captured) stored() int64 { return c.half + c.size - c.low }

// describe puts the stream into a record. final says that no more comes, so that
// a hash is worth having.
func (c *captured) describe(rec *record.Record, inline int, final bool) error {
	if c.size == 0 && c.lost == 0 {
		c.name.Set(rec, []string{}, nil)
		return nil
	}
	if c.size <= int64(inline) && c.cut() == nil {
		b, err := c.tail(c.size)
		if err != nil {
			return err
		}
		if !final {
			b = safe.Whole(b)
		}
		if c.cut() == nil && record.Inline(b, inline) {
			c.name.Set(rec, record.Lines(string(b)), nil)
			return nil
		}
	}
	const part = 4 << 10
	stored := c.stored()
	stable := stored
	if c.live {
		stable = c.half // the ring's bytes are for tail alone
	}
	head, err := c.read(0, min(part, stable))
	if err != nil {
		return err
	}
	tail, err := c.tail(part)
	if err != nil {
		return err
	}
	s := &record.Stream{Size: c.size + c.lost, Cut: c.cut()}
	if final {
		if s.SHA256, err = c.hash(); err != nil {
			return err
		}
	}
	lines := record.Preview(head, tail, int64(len(head)) == stored)
	if c.lost > 0 {
		lines = append(lines, record.LeftOut)
	}
	c.name.Set(rec, lines, s)
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

// tail returns the last n of the stored bytes, less when there are less. Those that a
// uncommitted run may have overwritten while they were read are left out, and low is moved.
func (c *captured) tail(n int64) ([]byte, error) {
	from := max(0, c.stored()-n)
	b, err := c.read(from, c.stored())
	if err != nil || !c.live || c.low == c.size {
		return b, err
	}
	was := c.low
	low, _, err := c.count()
	if err != nil {
		return nil, err
	}
	c.low = min(max(was, low), c.size)
	if gone := c.half + c.low - was; c.low > was && from < gone {
		b = b[min(int64(len(b)), gone-from):]
	}
	return b, nil
}

// liveTail bounds what is held in memory of a ring that is being written to.
const liveTail = 64 << 20

// snapshot is open for an uncommitted run: of the ring it returns the newest 64 MiB at the
// most, as they are at this moment.
func (c *captured) snapshot() (*storedReader, error) {
	ring, err := c.tail(min(c.size-c.low, liveTail))
	if err != nil || c.size == 0 {
		return emptyReader(), err
	}
	head, err := c.fs.Open(c.path(""))
	if err != nil {
		return nil, err
	}
	parts := partsReader{{head, c.path(""), 0, c.half}, {bytes.NewReader(ring), c.path(".tail"), 0, int64(len(ring))}}
	return parts.open(head), nil
}

// open returns a reader of what is stored: the first file, then the ring from its
// oldest byte.
func (c *captured) open() (*storedReader, error) {
	if c.size == 0 {
		return emptyReader(), nil
	}
	head, err := c.fs.Open(c.path(""))
	if err != nil {
		return nil, err
	}
	parts := partsReader{{head, c.path(""), 0, c.half}}
	if c.size == c.low {
		return parts.open(head), nil
	}
	path := c.path(".tail")
	ring, err := c.fs.Open(path)
	if err != nil {
		return nil, errors.Join(err, head.Close())
	}
	toEnd := min(c.half-c.slot(), c.size-c.low)
	parts = append(parts, part{ring, path, c.slot(), toEnd}, part{ring, path, 0, c.size - c.low - toEnd})
	return parts.open(head, ring), nil
}

func emptyReader() *storedReader { return &storedReader{ReadSeeker: bytes.NewReader(nil)} }

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
	from   io.ReaderAt
	name   string
	offset int64
	size   int64
}

// partsReader reads parts of files one behind the other.
type partsReader []part

// open returns a reader of all parts, which lie in files.
func (p partsReader) open(files ...afero.File) *storedReader {
	var size int64
	for _, pt := range p {
		size += pt.size
	}
	return &storedReader{io.NewSectionReader(p, 0, size), files}
}

// ReadAt implements io.ReaderAt.
func (p partsReader) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for _, pt := range p {
		if off >= pt.size {
			off -= pt.size
			continue
		}
		want := min(int64(len(b)-n), pt.size-off)
		m, err := pt.from.ReadAt(b[n:n+int(want)], pt.offset+off)
		n += m
		if err != nil && int64(m) < want {
			return n, fmt.Errorf("%s: %w", pt.name, err)
		}
		if off = 0; n == len(b) {
			return n, nil
		}
	}
	return n, io.EOF
}

// Streams returns the content of those streams that a record of this entry
// describes in a file: of the command's own, or of those that are named.
func (e *Entry) Streams(rec *record.Record, names ...record.StreamName) (map[record.StreamName]gitstore.Blob, error) {
	if len(names) == 0 {
		names = []record.StreamName{record.Stdout, record.Stderr}
	}
	blobs := map[record.StreamName]gitstore.Blob{}
	for _, name := range names {
		_, s := name.Of(rec)
		if s == nil {
			continue
		}
		c, err := openCapture(e.fs, e.dir, name)
		if err != nil {
			return nil, err
		}
		c.lose(s.Size) // where that could not be noted
		blobs[name] = gitstore.Blob{Size: c.stored(), Open: func() (io.ReadCloser, error) { return c.open() }}
	}
	return blobs, nil
}

// Salvage returns the record of an entry that was taken over: complete, when the run had
// ended, else as cancelled, with the output that had arrived. The error wraps
// record.ErrNotFound when there is none any more, and ErrEmpty when it was lost.
func (e *Entry) Salvage(inline int) (*record.Record, error) {
	if same, err := sameFile(e.fs, e.lock, filepath.Join(e.dir, lockFile)); err != nil {
		return nil, err
	} else if !same { // without locks another may be faster
		return nil, fmt.Errorf("task %s is not in the spool any more: %w", e.id, record.ErrNotFound)
	}
	rec, err := readRecord(e.fs, e.dir, e.id)
	if errors.Is(err, record.ErrInvalid) && !errors.Is(err, ErrEmpty) {
		return nil, fmt.Errorf("%w; mend it, or move the folder %s elsewhere", err, e.dir)
	}
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
	known, err := ended(e.fs, e.dir, rec)
	if !known {
		rec.Data.Status = record.Cancelled
	}
	return rec, err
}
