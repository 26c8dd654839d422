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

// A captured is the stored part of a stream: its first half bytes, in a file, and the bytes
// from low to size, in the ring.
type captured struct {
	fs   afero.Fs
	dir  string
	name record.StreamName
	size int64     // bytes received, without the lost ones
	lost int64     // bytes received after size that could not be stored
	half int64     // size of the first file, and of the ring
	low  int64     // offset of the oldest byte in the ring; at least half
	sum  hash.Hash // of all bytes received; nil when unknown
	live bool      // the ring may be overwritten during a read
}

// openCapture reads the state of a stream that a process has stored or is still storing.
func openCapture(fsys afero.Fs, dir string, name record.StreamName) (*captured, error) {
	c := &captured{fs: fsys, dir: dir, name: name}
	// Read the count before the size of the first file: once a count exists, the first file is
	// complete, also during the run.
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

// lose sets the number of lost bytes, given the number of bytes received. A record can name
// only one gap, so if the stream already has one, the ring is dropped and the gap extends to
// the end.
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

// count reads the two numbers of the .size file: low and size. Both are 0 when there is no such
// file.
func (c *captured) count() (low, size int64, err error) {
	b, err := afero.ReadFile(c.fs, c.path(".size"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) != 16 {
		return 0, 0, nil
	} else if err != nil {
		return 0, 0, err
	}
	return int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), nil
}

// clampToRing lowers size to the bytes that the ring file really contains. It may be shorter
// than the count says, for example after a power cut.
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

// slot returns the offset of the ring's oldest byte in its file.
func (c *captured) slot() int64 { return (c.low - c.half) % c.half }

// cut returns the range of bytes that are not stored, or nil when all are.
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

// describe puts the stream into a record, inline if it has at most inline bytes and may be.
// final says that the stream has ended; only then is its hash computed.
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
		stable = c.half // only tail can read a ring that is being written
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

// hash returns the hex SHA-256 of all bytes received. It returns "" when some are lost and no
// hash was computed as they arrived.
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

// read returns the stored bytes in the range [from, to).
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

// tail returns the last n stored bytes, or all when there are fewer. It leaves out bytes that
// an uncommitted run may have overwritten during the read, and advances low accordingly.
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

// liveTail limits the bytes of a live ring that are held in memory.
const liveTail = 64 << 20

// snapshot is open for an uncommitted run. It copies at most the newest 64 MiB of the ring into
// memory.
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

// open returns a reader of the stored bytes: the first file, then the ring from its oldest
// byte.
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

// partsReader reads parts of files as one sequence.
type partsReader []part

// open returns a reader of all parts. Closing it closes files.
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

// Streams returns the content of the named streams, or of stdout and stderr when none are
// named. It includes only streams that rec describes as stored in a file.
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
		c.lose(s.Size) // in case the loss could not be noted
		blobs[name] = gitstore.Blob{Size: c.stored(), Open: func() (io.ReadCloser, error) { return c.open() }}
	}
	return blobs, nil
}

// Salvage returns the record of an entry that was taken over, with the output received so far.
// The run is complete if it had ended, else cancelled. The error wraps record.ErrNotFound when
// the entry no longer exists, and ErrEmpty when the record was lost.
func (e *Entry) Salvage(inline int) (*record.Record, error) {
	if same, err := sameFile(e.fs, e.lock, filepath.Join(e.dir, lockFile)); err != nil {
		return nil, err
	} else if !same { // without locks another process may have removed it
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
