package odb

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"

	"qme/record"
)

// WritePack writes the named objects, each of which is to be named once, as one pack
// (gitformat-pack(5), version 2) to w. The pack is never thin: a delta is sent as one
// only if its base is among the objects. What is sent as it is stored is inflated on
// the way to see that it is not damaged. progress, if not nil, is called now and then.
//
// Memory is 50 bytes or so for each object, and a few times the largest that is
// stored as a delta. The error is ErrMissing when an object is not there, wraps
// record.ErrCorrupt when one is damaged, and is otherwise that of w or of ctx; w has
// part of a pack then.
func (db *DB) WritePack(ctx context.Context, w io.Writer, objects []plumbing.Hash, progress func(done, total int)) error {
	s, err := db.newSender(ctx, w, objects)
	if err != nil {
		return fmt.Errorf("send objects: %w", err)
	}
	s.progress = progress
	if err := s.send(); err != nil {
		return fmt.Errorf("send objects: %w", err)
	}
	return nil
}

// A sender writes one pack.
type sender struct {
	db       *DB
	ctx      context.Context
	progress func(done, total int)
	packs    []*pack
	hashes   []plumbing.Hash // in the order of names
	places   []place         // in the order in which they are sent

	out *bufio.Writer
	sum hash.Hash
	off int64

	z       *zlib.Writer
	head    []byte
	scratch []byte
	mem     bytes.Reader
	rest    *bufio.Reader
	in      inflating

	// What buf holds of a pack.
	buf  []byte
	from *pack
	at   int64
	n    int
}

// A place is where an object is, and where it lies in the pack that is sent.
type place struct {
	off  int64
	sent int64
	pack int32 // an index of packs, or loose
	hash int32 // an index of hashes
}

// loose says that an object is in no pack.
const loose int32 = -1

// readAhead is how much of a pack is read at a time.
const readAhead = 16 << 10

func (db *DB) newSender(ctx context.Context, w io.Writer, objects []plumbing.Hash) (*sender, error) {
	s := &sender{db: db, ctx: ctx, hashes: slices.Clone(objects), places: make([]place, len(objects)),
		out: bufio.NewWriterSize(w, 64<<10), sum: sha1.New(), scratch: make([]byte, 32<<10), buf: make([]byte, smallEntry+readAhead),
		rest: bufio.NewReaderSize(nil, 64<<10)}
	slices.SortFunc(s.hashes, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	for i := range s.places {
		if i > 0 && s.hashes[i] == s.hashes[i-1] {
			return nil, fmt.Errorf("object %s is named twice: %w", s.hashes[i], record.ErrInvalid)
		}
		s.places[i] = place{pack: loose, hash: int32(i)}
	}
	var err error
	if s.z, err = zlib.NewWriterLevel(nil, zlib.DefaultCompression); err != nil {
		return nil, err
	}
	if s.packs, err = db.openAll(); err != nil {
		return nil, err
	}
	for i, p := range s.packs {
		if err := s.locate(p, int32(i)); err != nil {
			return nil, fmt.Errorf("%s.idx: %w", p.name, err)
		}
	}
	// Within a pack the base of a delta by offset lies before it.
	slices.SortFunc(s.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.off, b.off)) })
	return s, nil
}

// locate finds the objects that are in a pack and in none before it.
func (s *sender) locate(p *pack, number int32) error {
	idx, err := p.index()
	if err != nil {
		return err
	}
	if int64(len(s.hashes)) > idx.count/16 {
		return s.locateMany(idx, number)
	}
	for i := range s.places {
		if pl := &s.places[i]; pl.pack == loose {
			off, ok, err := idx.lookup(s.hashes[i])
			if err != nil {
				return err
			}
			if ok {
				pl.off, pl.pack = off, number
			}
		}
	}
	return nil
}

// locateMany reads all of an index: that is faster than many look-ups.
func (s *sender) locateMany(idx *index, number int32) error {
	const some = 2048
	names, offs := make([]byte, some*hashLen), make([]byte, some*4)
	next := 0
	for from := int64(0); from < idx.count; from += some {
		n := min(some, idx.count-from)
		if err := idx.readAt(names[:n*hashLen], idxHeaderLen+from*hashLen); err != nil {
			return err
		}
		if err := idx.readAt(offs[:n*4], idxHeaderLen+idx.count*24+from*4); err != nil {
			return err
		}
		for i := range n {
			name := names[i*hashLen : (i+1)*hashLen]
			for next < len(s.hashes) && bytes.Compare(s.hashes[next][:], name) < 0 {
				next++
			}
			if next == len(s.hashes) {
				return nil
			}
			pl := &s.places[next]
			if pl.pack != loose || !bytes.Equal(s.hashes[next][:], name) {
				continue
			}
			pl.off, pl.pack = int64(binary.BigEndian.Uint32(offs[i*4:])), number
			if pl.off&(1<<31) != 0 {
				off, err := idx.offset(from + i)
				if err != nil {
					return err
				}
				pl.off = off
			}
		}
	}
	return nil
}

// Write takes bytes of the pack.
func (s *sender) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.out.Write(b)
	s.sum.Write(b[:n])
	s.off += int64(n)
	return n, err
}

func (s *sender) send() error {
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(s.places)))
	if _, err := s.Write(head); err != nil {
		return err
	}
	for i := range s.places {
		if i%1024 == 0 && s.progress != nil {
			s.progress(i, len(s.places))
		}
		s.places[i].sent = s.off
		if err := s.object(i); err != nil {
			return fmt.Errorf("object %s: %w", s.hashes[s.places[i].hash], err)
		}
	}
	if _, err := s.out.Write(s.sum.Sum(nil)); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	if s.progress != nil {
		s.progress(len(s.places), len(s.places))
	}
	return nil
}

func (s *sender) object(i int) error {
	pl := s.places[i]
	if pl.pack == loose {
		return s.looseObject(s.hashes[pl.hash])
	}
	p := s.packs[pl.pack]
	b, err := s.read(p, pl.off, readAhead)
	if err != nil {
		return p.corrupt(pl.off, err)
	}
	e, used, err := parseEntry(b[:min(len(b), 40)], pl.off)
	if err != nil {
		return p.corrupt(pl.off, err)
	}
	e.data = pl.off + int64(used)
	if !e.isDelta() {
		return s.copy(p, e, 0)
	}
	base, ok, err := s.base(i, p, e)
	if err != nil {
		return err
	}
	if ok {
		e.kind = plumbing.OFSDeltaObject
		return s.copy(p, e, base)
	}
	kind, content, err := s.db.unpack(p, pl.off)
	if err != nil {
		return err
	}
	return s.whole(kind, int64(len(content)), bytes.NewReader(content))
}

// read returns at least n bytes of a pack from off on, fewer only at its end. They
// are valid until the next call.
func (s *sender) read(p *pack, off int64, n int) ([]byte, error) {
	if skip := off - s.at; s.from == p && skip >= 0 && skip+int64(n) <= int64(s.n) {
		return s.buf[skip:s.n], nil
	}
	// What is asked for is mostly much more than the object has.
	got, err := p.readAt(s.buf, off)
	s.from, s.at, s.n = p, off, got
	return s.buf[:got], err
}

// base returns where the base of the i-th object lies in the pack that is sent, if it
// has been. One in another pack does not count: packs could refer to each other in
// a circle.
func (s *sender) base(i int, p *pack, e entry) (sent int64, ok bool, err error) {
	off := e.base
	if e.kind == plumbing.REFDeltaObject {
		if off, ok, err = p.lookup(e.baseRef); err != nil || !ok {
			return 0, false, err
		}
	}
	number := s.places[i].pack // the highest up to here
	at := sort.Search(i, func(j int) bool { return s.places[j].pack == number && s.places[j].off >= off })
	if at == i || s.places[at].off != off {
		return 0, false, nil
	}
	return s.places[at].sent, true, nil
}

// begin writes the header of an entry.
func (s *sender) begin(kind plumbing.ObjectType, size, base int64) error {
	s.head = appendEntryHeader(s.head[:0], kind, size, s.off, base)
	_, err := s.Write(s.head)
	return err
}

// copy sends an entry as it is deflated in its pack.
func (s *sender) copy(p *pack, e entry, base int64) error {
	if e.size <= smallEntry {
		b, err := s.read(p, e.data, int(e.size)+maxGrowth)
		if err != nil {
			return p.corrupt(e.offset, err)
		}
		s.mem.Reset(b)
		if s.inflate(&s.mem, e.size) == nil {
			if err := s.begin(e.kind, e.size, base); err != nil {
				return err
			}
			_, err := s.Write(b[:len(b)-s.mem.Len()])
			return err
		}
	}
	// Not all of it was read, or it is damaged.
	src := &packReader{p: p, off: e.data}
	s.rest.Reset(src)
	if err := s.inflate(s.rest, e.size); err != nil {
		return p.corrupt(e.offset, err)
	}
	n := src.off - int64(s.rest.Buffered()) - e.data
	if err := s.begin(e.kind, e.size, base); err != nil {
		return err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{s}, io.LimitReader(&packReader{p: p, off: e.data}, n), s.scratch)
	return err
}

// inflate reads deflated bytes up to their end, which must come after size bytes.
func (s *sender) inflate(src io.Reader, size int64) error {
	z, err := getInflater(src)
	if err != nil {
		return err
	}
	s.in = inflating{z: z, left: size}
	defer s.in.Close()
	for {
		if _, err := s.in.Read(s.scratch); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// whole sends an object that has to be deflated.
func (s *sender) whole(kind plumbing.ObjectType, size int64, content io.Reader) error {
	if err := s.begin(kind, size, 0); err != nil {
		return err
	}
	s.z.Reset(s)
	n, err := io.Copy(s.z, content)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came instead of %d: %w", n, size, record.ErrCorrupt)
	}
	return errors.Join(err, s.z.Close())
}

func (s *sender) looseObject(h plumbing.Hash) error {
	kind, size, r, err := s.openLoose(h)
	if err != nil {
		return err
	}
	return errors.Join(s.whole(kind, size, r), r.Close())
}

// openLoose opens an object that was loose, and may have been packed since.
func (s *sender) openLoose(h plumbing.Hash) (plumbing.ObjectType, int64, io.ReadCloser, error) {
	r, err := s.db.openLoose(h)
	if err == nil {
		return r.kind, r.size, r, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return plumbing.InvalidObject, 0, nil, err
	}
	kind, b, err := s.db.Get(h)
	return kind, int64(len(b)), io.NopCloser(bytes.NewReader(b)), err
}
