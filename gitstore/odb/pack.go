package odb

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
)

// A pack is one pack file with its index. The files are opened at first use.
type pack struct {
	db       *DB
	name     string
	dataPath string
	idxPath  string
	modified time.Time

	mu    sync.Mutex
	idx   *index
	data  afero.File
	size  int64
	whole []byte // all of the file, when it is small
}

// smallPack is up to which size a pack is read in one go. The packs of single
// runs are, and most look-ups end in one of them.
const smallPack = 32 << 10

func (p *pack) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	if p.idx != nil {
		errs = append(errs, p.idx.close())
	}
	if p.data != nil {
		errs = append(errs, p.data.Close())
	}
	p.idx, p.data, p.whole = nil, nil, nil
	return errors.Join(errs...)
}

func (p *pack) lookup(h plumbing.Hash) (int64, bool, error) {
	idx, err := p.index()
	if err != nil {
		return 0, false, fmt.Errorf("%s.idx: %w", p.name, err)
	}
	return idx.lookup(h)
}

func (p *pack) index() (*index, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idx == nil {
		idx, err := openIndex(p.db.fs, p.idxPath)
		if errors.Is(err, errOldIndex) && isOldIndex(p.db.fs, p.idxPath) {
			return nil, p.db.oldIndex(p)
		}
		if err != nil {
			return nil, err
		}
		p.idx = idx
	}
	return p.idx, nil
}

// open makes the pack's bytes readable by readAt.
func (p *pack) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.data != nil || p.whole != nil {
		return nil
	}
	f, err := p.db.fs.Open(p.dataPath)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	p.size = info.Size()
	if p.size < packHeaderLen+hashLen {
		_ = f.Close()
		return fmt.Errorf("%s.pack is cut off at %d bytes: %w", p.name, p.size, record.ErrCorrupt)
	}
	if p.size > smallPack {
		p.data = readerAt(f)
		return nil
	}
	p.whole = make([]byte, p.size)
	_, err = io.ReadFull(f, p.whole)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		p.whole = nil
	}
	return err
}

// readAt reads like io.ReaderAt, up to the checksum at the end of the pack.
func (p *pack) readAt(b []byte, off int64) (int, error) {
	end := p.size - hashLen
	if off < packHeaderLen || off >= end {
		return 0, io.EOF
	}
	if int64(len(b)) > end-off {
		b = b[:end-off]
	}
	if p.whole != nil {
		return copy(b, p.whole[off:end]), nil
	}
	n, err := p.data.ReadAt(b, off)
	if n > 0 {
		return n, nil
	}
	return n, err
}

const (
	packHeaderLen = 12
	hashLen       = 20
)

// An entry is the header of an object in a pack (gitformat-pack(5)).
type entry struct {
	offset  int64
	kind    plumbing.ObjectType
	size    int64         // of the object, or of the delta, inflated
	data    int64         // where the deflated bytes begin
	base    int64         // OFSDeltaObject: offset of the base
	baseRef plumbing.Hash // REFDeltaObject: name of the base
}

func (e entry) isDelta() bool {
	return e.kind == plumbing.OFSDeltaObject || e.kind == plumbing.REFDeltaObject
}

// entryAt reads the header of the entry at off.
func (p *pack) entryAt(off int64) (entry, error) {
	if err := p.open(); err != nil {
		return entry{}, err
	}
	var buf [40]byte
	n, err := p.readAt(buf[:], off)
	if err != nil {
		return entry{}, p.corrupt(off, err)
	}
	e, used, err := parseEntry(buf[:n], off)
	if err != nil {
		return entry{}, p.corrupt(off, err)
	}
	e.data = off + int64(used)
	return e, nil
}

func (p *pack) corrupt(off int64, err error) error {
	return fmt.Errorf("%s.pack at %d: %w", p.name, off, damage(err))
}

var errEntry = errors.New("not the header of an object")

func parseEntry(b []byte, off int64) (entry, int, error) {
	if len(b) == 0 {
		return entry{}, 0, errEntry
	}
	e := entry{offset: off, kind: plumbing.ObjectType(b[0] >> 4 & 7), size: int64(b[0] & 15)}
	i, shift := 1, 4
	for c := b[0]; c&0x80 != 0; i++ {
		if i >= len(b) || shift > 56 {
			return entry{}, 0, errEntry
		}
		c = b[i]
		e.size |= int64(c&0x7f) << shift
		shift += 7
	}
	if e.size < 0 {
		return entry{}, 0, errEntry
	}
	switch e.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case plumbing.OFSDeltaObject:
		var dist int64
		for first := true; ; first = false {
			if i >= len(b) || dist > 1<<55 {
				return entry{}, 0, errEntry
			}
			c := b[i]
			i++
			if !first {
				dist++
			}
			dist = dist<<7 | int64(c&0x7f)
			if c&0x80 == 0 {
				break
			}
		}
		if e.base = off - dist; dist <= 0 || e.base < packHeaderLen {
			return entry{}, 0, errEntry
		}
	case plumbing.REFDeltaObject:
		if len(b) < i+hashLen {
			return entry{}, 0, errEntry
		}
		copy(e.baseRef[:], b[i:])
		i += hashLen
	default:
		return entry{}, 0, errEntry
	}
	return e, i, nil
}

// appendEntryHeader is the inverse of parseEntry.
func appendEntryHeader(b []byte, kind plumbing.ObjectType, size int64, off, base int64) []byte {
	c := byte(kind)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		b = append(b, c|0x80)
		c = byte(size & 0x7f)
	}
	b = append(b, c)
	if kind != plumbing.OFSDeltaObject {
		return b
	}
	dist := off - base
	var tmp [10]byte
	i := len(tmp) - 1
	tmp[i] = byte(dist & 0x7f)
	for dist >>= 7; dist > 0; dist >>= 7 {
		dist--
		i--
		tmp[i] = 0x80 | byte(dist&0x7f)
	}
	return append(b, tmp[i:]...)
}

// maxInMemory bounds the size of an object that Get holds. Streams are at most run.keep
// long and are read by Open.
const maxInMemory = 2 << 30

// unpack returns the object at off, its deltas resolved.
func (db *DB) unpack(p *pack, off int64) (plumbing.ObjectType, []byte, error) {
	return db.unpackAt(p, off, 0)
}

// maxDepth ends a chain of deltas that is longer than git ever makes them (4095).
const maxDepth = 5000

func (db *DB) unpackAt(p *pack, off int64, depth int) (plumbing.ObjectType, []byte, error) {
	if depth > maxDepth {
		return plumbing.InvalidObject, nil, p.corrupt(off, errors.New("endless chain of deltas"))
	}
	e, b, err := p.inflate(off)
	if err != nil {
		return plumbing.InvalidObject, nil, err
	}
	if !e.isDelta() {
		return e.kind, b, nil
	}
	at, err := p.baseOf(e)
	if err != nil {
		return plumbing.InvalidObject, nil, err
	}
	t, base, err := db.deltaBase(p, at, depth)
	if err != nil {
		return plumbing.InvalidObject, nil, err
	}
	out, err := patch(base, b, func(int64) error { return nil })
	if err != nil {
		return plumbing.InvalidObject, nil, p.corrupt(off, err)
	}
	return t, out, nil
}

// kindAt returns the type of the object at off: that of the whole object on which its
// deltas rest.
func (p *pack) kindAt(off int64) (plumbing.ObjectType, error) {
	for range maxDepth {
		e, err := p.entryAt(off)
		if err != nil {
			return plumbing.InvalidObject, err
		}
		if !e.isDelta() {
			return e.kind, nil
		}
		if off, err = p.baseOf(e); err != nil {
			return plumbing.InvalidObject, err
		}
	}
	return plumbing.InvalidObject, p.corrupt(off, errors.New("endless chain of deltas"))
}

// baseOf returns the offset of a delta's base.
func (p *pack) baseOf(e entry) (int64, error) {
	if e.kind == plumbing.OFSDeltaObject {
		return e.base, nil
	}
	at, ok, err := p.lookup(e.baseRef)
	if err != nil || !ok {
		return 0, p.corrupt(e.offset, errors.Join(err, fmt.Errorf("base %s is not in the pack", e.baseRef)))
	}
	return at, nil
}

// deltaBase is unpackAt with a small cache: many deltas share their base.
func (db *DB) deltaBase(p *pack, off int64, depth int) (plumbing.ObjectType, []byte, error) {
	if t, b, ok := db.bases.get(p, off); ok {
		return t, b, nil
	}
	t, b, err := db.unpackAt(p, off, depth+1)
	if err == nil {
		db.bases.put(p, off, t, b)
	}
	return t, b, err
}

// inflate returns the entry at off with its inflated bytes. One read usually gets
// both the header and all that follows it.
func (p *pack) inflate(off int64) (entry, []byte, error) {
	if err := p.open(); err != nil {
		return entry{}, nil, err
	}
	w := windows.Get().(*window)
	defer windows.Put(w)
	n, err := p.readAt(w.buf[:firstRead], off)
	if err != nil {
		return entry{}, nil, p.corrupt(off, err)
	}
	e, used, err := parseEntry(w.buf[:n], off)
	if err != nil {
		return entry{}, nil, p.corrupt(off, err)
	}
	e.data = off + int64(used)
	if e.size > maxInMemory {
		return entry{}, nil, p.corrupt(off, fmt.Errorf("an object of %d bytes is too large", e.size))
	}
	src, err := w.source(p, e, n)
	if err != nil {
		return entry{}, nil, p.corrupt(off, err)
	}
	b, err := inflateFrom(src, e.size)
	if errors.Is(err, io.ErrUnexpectedEOF) && src != io.Reader(w.rest) {
		// Its writer flushed often: it is longer than it should be.
		w.rest.Reset(&packReader{p: p, off: e.data})
		b, err = inflateFrom(w.rest, e.size)
	}
	if err != nil {
		return entry{}, nil, p.corrupt(off, err)
	}
	return e, b, nil
}

func inflateFrom(src io.Reader, size int64) ([]byte, error) {
	z, err := getInflater(src)
	if err != nil {
		return nil, err
	}
	defer putInflater(z)
	return readExactly(z, size)
}

// readExactly reads size bytes and the end after them, at which zlib compares
// its checksum. Memory grows with the bytes that are there, not with the size in a damaged
// header.
func readExactly(r io.Reader, size int64) ([]byte, error) {
	var b []byte
	if size <= 16<<20 {
		b = make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
	} else {
		var buf bytes.Buffer
		if _, err := io.CopyN(&buf, r, size); err != nil {
			return nil, err
		}
		b = buf.Bytes()
	}
	var one [1]byte
	if n, err := r.Read(one[:]); n != 0 || err != io.EOF {
		return nil, errors.Join(err, fmt.Errorf("not %d bytes long", size))
	}
	return b, nil
}

func (db *DB) openPacked(p *pack, off int64) (io.ReadCloser, int64, error) {
	e, err := p.entryAt(off)
	if err != nil {
		return nil, 0, err
	}
	if e.isDelta() || e.size < 1<<20 {
		_, b, err := db.unpack(p, off)
		return io.NopCloser(bytes.NewReader(b)), int64(len(b)), err
	}
	src := bufio.NewReaderSize(&packReader{p: p, off: e.data}, 64<<10)
	z, err := getInflater(src)
	if err != nil {
		return nil, 0, p.corrupt(off, err)
	}
	return &inflating{z: z, left: e.size}, e.size, nil
}

// header reads a pack file's header and returns how many objects it announces.
func (p *pack) header() (uint32, error) {
	if err := p.open(); err != nil {
		return 0, err
	}
	var h [packHeaderLen]byte
	if p.whole != nil {
		copy(h[:], p.whole)
	} else if _, err := p.data.ReadAt(h[:], 0); err != nil {
		return 0, err
	}
	if string(h[:4]) != "PACK" || binary.BigEndian.Uint32(h[4:]) != 2 {
		return 0, fmt.Errorf("%s.pack is not a pack of version 2: %w", p.name, record.ErrCorrupt)
	}
	return binary.BigEndian.Uint32(h[8:]), nil
}
