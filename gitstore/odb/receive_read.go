package odb

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// A packStream is a pack as it comes. The bytes that have been used go to the temporary
// file and into the checksums.
type packStream struct {
	ctx  context.Context
	r    io.Reader
	file io.Writer
	max  int64 // bytes, 0: no limit
	came int64
	sum  hash.Hash // of the bytes that have been used

	buf  []byte
	pos  int    // the bytes before it have been used
	end  int    // of the bytes in buf
	mark int    // where the entry goes on in buf; crc is of its earlier bytes
	crc  uint32 // of the entry
	off  int64  // of buf[pos] in the pack
	err  error  // the end of the stream: io.EOF, or an error
}

const (
	streamBuffer = 512 << 10
	// smallEntry is up to which size an entry is inflated from and to memory.
	smallEntry = 64 << 10
)

// peek returns the next n bytes, fewer where the stream ends.
func (a *packStream) peek(n int) []byte {
	for a.end-a.pos < n && a.err == nil {
		a.fill()
	}
	return a.buf[a.pos:min(a.end, a.pos+n)]
}

// fill reads once. n bytes that are asked for are at most half of the buffer, so
// there is always room.
func (a *packStream) fill() {
	if a.err = a.ctx.Err(); a.err != nil {
		return
	}
	if len(a.buf)-a.end < streamBuffer/4 {
		if a.err = a.store(); a.err != nil {
			return
		}
	}
	n, err := a.r.Read(a.buf[a.end:])
	a.end, a.came, a.err = a.end+n, a.came+int64(n), err
	if a.max > 0 && a.came > a.max {
		a.err = NewLimitError(LimitPack, 0, a.max, "the pack has")
	}
}

// store writes the bytes that have been used and makes room after the rest.
func (a *packStream) store() error {
	a.crc, a.mark = crc32.Update(a.crc, crc32.IEEETable, a.buf[a.mark:a.pos]), 0
	a.sum.Write(a.buf[:a.pos])
	_, err := a.file.Write(a.buf[:a.pos])
	a.end = copy(a.buf, a.buf[a.pos:a.end])
	a.pos = 0
	return err
}

func (a *packStream) skip(n int) {
	a.pos += n
	a.off += int64(n)
}

// Read implements io.Reader.
func (a *packStream) Read(b []byte) (int, error) {
	if len(a.peek(1)) == 0 {
		return 0, a.err
	}
	n := copy(b, a.buf[a.pos:a.end])
	a.skip(n)
	return n, nil
}

// ReadByte implements io.ByteReader. So an inflater takes no more than it needs.
func (a *packStream) ReadByte() (byte, error) {
	if len(a.peek(1)) == 0 {
		return 0, a.err
	}
	c := a.buf[a.pos]
	a.skip(1)
	return c, nil
}

// entryCRC ends an entry and returns its checksum.
func (a *packStream) entryCRC() uint32 {
	crc := crc32.Update(a.crc, crc32.IEEETable, a.buf[a.mark:a.pos])
	a.crc, a.mark = 0, a.pos
	return crc
}

// broken is the error of bytes that could not be read at off: that of the stream, if it
// has one.
func (a *packStream) broken(off int64, err error) error {
	switch {
	case a.err != nil && !errors.Is(a.err, io.EOF):
		return a.err
	case a.err != nil && a.pos == a.end, errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the pack is cut off at %d bytes: %w", a.came, record.ErrCorrupt)
	}
	return damaged(off, err)
}

// header reads the header of the pack and returns how many objects it announces.
func (a *packStream) header() (uint32, error) {
	h := a.peek(packHeaderLen)
	if len(h) < packHeaderLen {
		a.skip(len(h))
		return 0, a.broken(0, io.ErrUnexpectedEOF)
	}
	if string(h[:4]) != "PACK" || binary.BigEndian.Uint32(h[4:]) != 2 {
		return 0, fmt.Errorf("what has come is not a pack of version 2: %w", record.ErrCorrupt)
	}
	n := binary.BigEndian.Uint32(h[8:])
	if n > math.MaxInt32 {
		return 0, fmt.Errorf("a pack of %d objects: %w", n, ErrTooLarge)
	}
	a.skip(packHeaderLen)
	return n, nil
}

// trailer reads and checks the checksum at the end of the pack, and that it is the end.
func (a *packStream) trailer() (sum plumbing.Hash, err error) {
	if err := a.store(); err != nil {
		return sum, err
	}
	if n := copy(sum[:], a.peek(hashLen)); n < hashLen {
		return sum, a.broken(a.off, io.ErrUnexpectedEOF)
	}
	if got := plumbing.Hash(a.sum.Sum(nil)); got != sum {
		return sum, fmt.Errorf("the pack's checksum is %s, its end says %s: %w", got, sum, record.ErrCorrupt)
	}
	a.skip(hashLen)
	if len(a.peek(1)) > 0 {
		return sum, fmt.Errorf("there is more behind the end of the pack, at %d: %w", a.off, record.ErrCorrupt)
	}
	if !errors.Is(a.err, io.EOF) {
		return sum, a.err
	}
	return sum, a.store()
}

// read is the first pass.
func (r *receiver) read(ctx context.Context, from io.Reader, first *resolver) error {
	a := &packStream{ctx: ctx, r: from, file: r.tmp.file, max: r.opts.MaxPack, sum: sha1.New(), buf: make([]byte, streamBuffer)}
	n, err := a.header()
	if err != nil {
		return err
	}
	r.total = int(n)
	a.entryCRC() // begins the first entry
	named := 0
	for i := range r.total {
		whole, err := r.readEntry(a, first)
		if err != nil {
			return err
		}
		if whole {
			named++
		}
		if i%1024 == 0 {
			r.bytes = a.came
			r.count(named)
			named = 0
		}
	}
	if r.sum, err = a.trailer(); err != nil {
		return err
	}
	r.bytes, r.came = a.came, a.came
	r.count(named)
	return nil
}

// readEntry reads one entry, and names it if it is whole.
func (r *receiver) readEntry(a *packStream, first *resolver) (whole bool, err error) {
	head := a.peek(40)
	e, used, err := parseEntry(head, a.off)
	if err != nil {
		if len(head) < 40 { // nothing more comes
			a.skip(len(head))
		}
		return false, a.broken(e.offset, err)
	}
	if len(head) > used+1 && head[used+1]&0x20 != 0 {
		return false, damaged(e.offset, errors.New("deflated with a dictionary"))
	}
	s := slot{off: e.offset, kind: e.kind, base: none, child: none, next: none}
	a.skip(used)
	s.delta = e.isDelta()
	if err := r.checkSize(e); err != nil {
		return false, err
	}
	at := r.slots.add(s)
	if s.delta {
		if err := r.linkDelta(at, e); err != nil {
			return false, err
		}
	}
	if err := r.readContent(a, e, at, first); err != nil {
		return false, err
	}
	r.slots.at(at).crc = a.entryCRC()
	return !s.delta, nil
}

// checkSize rejects an object over the limit.
func (r *receiver) checkSize(e entry) error {
	limit := r.inMemory()
	if e.kind == plumbing.BlobObject {
		limit = r.opts.MaxObject
	}
	if limit > 0 && e.size > limit {
		return tooLarge(e.offset, e.size, limit)
	}
	return r.unpack(e.size) // of a delta; the object that it makes is counted when its size is known
}

// linkDelta notes the place of a delta's base, or its name.
func (r *receiver) linkDelta(at int32, e entry) error {
	if e.kind == plumbing.REFDeltaObject {
		r.refs = append(r.refs, refDelta{base: e.baseRef, at: at})
		return nil
	}
	base, ok := r.slots.find(e.base)
	if !ok {
		return damaged(e.offset, fmt.Errorf("its base is said to begin at %d, and no object does", e.base))
	}
	s, b := r.slots.at(at), r.slots.at(base)
	s.base, s.next, b.child = base, b.child, at
	return nil
}

// readContent inflates an entry, and names it if it is a whole object.
func (r *receiver) readContent(a *packStream, e entry, at int32, w *resolver) error {
	delta := r.slots.at(at).delta
	b, err := w.inflateSmall(a, e)
	switch {
	case err != nil:
		return a.broken(e.offset, err)
	case b != nil && delta:
		return nil
	case b != nil:
		return w.name(at, e.kind, b)
	}
	z, err := getInflater(a)
	if err != nil {
		return a.broken(e.offset, err)
	}
	in := &inflating{z: z, left: e.size}
	defer in.Close()
	if delta || e.kind == plumbing.BlobObject {
		sum, err := w.hashStream(e.kind, e.size, in)
		if err != nil {
			return a.broken(e.offset, err)
		}
		if !delta {
			r.slots.at(at).hash = sum
		}
		return nil
	}
	var all bytes.Buffer
	if _, err := all.ReadFrom(in); err != nil {
		return a.broken(e.offset, err)
	}
	return w.name(at, e.kind, all.Bytes())
}
