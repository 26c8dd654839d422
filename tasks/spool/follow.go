package spool

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"github.com/spf13/afero"

	"qme/record"
)

// Stamps returns a text for each run in the spool that changes whenever the record of the run
// changes. It reads no records, so it is cheap enough to call many times a second. The error
// wraps fs.ErrNotExist when the home itself is gone, not only the spool.
func (s *Spool) Stamps() (map[record.ID]string, error) {
	ids, err := s.IDs()
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		_, err := s.fs.Stat(filepath.Dir(s.dir))
		return nil, err
	}
	stamps := make(map[record.ID]string, len(ids))
	for _, id := range ids {
		// The record is always replaced as a whole.
		info, err := s.fs.Stat(filepath.Join(s.dir, string(id), recordFile))
		if err != nil {
			continue // the run has just been committed
		}
		stamp := fmt.Sprint(info.ModTime().UnixNano(), info.Size())
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			stamp += fmt.Sprint(" ", st.Ino)
		}
		stamps[id] = stamp
	}
	return stamps, nil
}

// A Piece is a part of the output of a run in the spool.
type Piece struct {
	At   int64 // offset of Data in the output; greater than the requested one if those bytes are not kept
	Data []byte
	Size int64 // bytes written by the command so far
}

// Follow returns at most limit bytes of the output of an uncommitted run, starting at offset
// from. If those bytes are not kept, it returns the next ones that are. The error wraps
// record.ErrNotFound when the run is no longer in the spool.
func (s *Spool) Follow(id record.ID, name record.StreamName, from, limit int64) (p Piece, err error) {
	dir := filepath.Join(s.dir, string(id))
	c, err := openCapture(s.fs, dir, name)
	if err == nil {
		c.live = true
		p.Data, p.At, err = c.from(from, limit)
	}
	// Discard data that was read while the entry was being removed.
	if _, gone := readRecord(s.fs, dir, id); gone != nil {
		return Piece{}, gone
	}
	p.Size = c.size
	return p, err
}

// Written returns the number of bytes that an uncommitted run has printed so far, without
// reading them. It returns 0 for a run that has just been committed.
func (s *Spool) Written(id record.ID) (stdout, stderr int64, err error) {
	dir := filepath.Join(s.dir, string(id))
	var sizes [2]int64
	for i, name := range []record.StreamName{record.Stdout, record.Stderr} {
		c, err := openCapture(s.fs, dir, name)
		if err != nil {
			return 0, 0, err
		}
		sizes[i] = c.size
	}
	return sizes[0], sizes[1], nil
}

// from returns bytes starting at an offset, and the offset at which they really begin.
func (c *captured) from(from, limit int64) (b []byte, at int64, err error) {
	at = min(max(from, 0), c.size)
	if at < c.half {
		b, err = c.read(at, min(c.half, at+limit))
		return b, at, err
	}
	if at = max(at, c.low); at >= c.size {
		return nil, at, nil
	}
	b, err = c.ring(at, min(limit, c.size-at))
	if err != nil {
		return nil, 0, err
	}
	// Leave out bytes that were overwritten during the read.
	low, _, err := c.count()
	gone := min(max(0, low-at), int64(len(b)))
	return b[gone:], at + gone, err
}

// ring returns n bytes of the ring, starting at offset at of the stream.
func (c *captured) ring(at, n int64) (b []byte, err error) {
	f, err := c.fs.Open(c.path(".tail"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b = make([]byte, n)
	place := (at - c.half) % c.half
	first := min(n, c.half-place)
	if err := readFullAt(f, b[:first], place); err != nil {
		return nil, err
	}
	return b, readFullAt(f, b[first:], 0)
}

func readFullAt(f afero.File, b []byte, at int64) error {
	_, err := io.ReadFull(io.NewSectionReader(f, at, int64(len(b))), b)
	if len(b) == 0 {
		return nil
	}
	return err
}
