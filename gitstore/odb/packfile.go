package odb

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"
	"github.com/spf13/afero"
)

// A packFile is a pack being written to a temporary file. Nothing can see it
// until finish has given it its name.
type packFile struct {
	tempFile
	buf    *bufio.Writer
	sum    hash.Hash // of the whole file, its trailer
	crc    hash.Hash32
	off    int64
	want   int
	objs   []indexEntry // the objects so far
	at     map[plumbing.Hash]int64
	level  int
	small  smallDeflater
	z      *zlib.Writer // these two are made when needed
	fast   *zlib.Writer // for streams
	head   []byte
	differ differ
}

// newPackFile begins a pack of exactly count objects.
func (db *DB) newPackFile(count int) (*packFile, error) {
	tmp, err := db.newTempFile(tmpPack)
	if err != nil {
		return nil, err
	}
	p := &packFile{
		tempFile: *tmp, sum: sha1.New(), crc: crc32.NewIEEE(), want: count,
		objs: make([]indexEntry, 0, count), at: make(map[plumbing.Hash]int64, count), level: levelFor(count),
	}
	p.small.to = p
	p.buf = bufio.NewWriterSize(p.file, 64<<10)
	var head [packHeaderLen]byte
	copy(head[:], "PACK")
	binary.BigEndian.PutUint32(head[4:], 2)
	binary.BigEndian.PutUint32(head[8:], uint32(count))
	if err := p.write(head[:]); err != nil {
		return nil, errors.Join(err, p.abort())
	}
	return p, nil
}

// levelFor returns how hard to try. A run's own pack is soon joined with others, in
// the background: there a tenth more time for 3 % less is worth it.
func levelFor(count int) int {
	if count < 64 {
		return zlib.DefaultCompression
	}
	return zlib.BestCompression
}

func (p *packFile) write(b []byte) error {
	_, err := p.Write(b)
	return err
}

// Write takes bytes of the current entry.
func (p *packFile) Write(b []byte) (int, error) {
	n, err := p.buf.Write(b)
	p.sum.Write(b[:n])
	p.crc.Write(b[:n])
	p.off += int64(n)
	return n, err
}

// begin starts an entry; base is used for OFSDeltaObject only.
func (p *packFile) begin(kind plumbing.ObjectType, size, base int64) (int64, error) {
	off := p.off
	p.crc.Reset()
	p.head = appendEntryHeader(p.head[:0], kind, size, off, base)
	return off, p.write(p.head)
}

// end ends the entry of object h.
func (p *packFile) end(h plumbing.Hash, off int64) {
	p.at[h] = off
	p.objs = append(p.objs, indexEntry{h, p.crc.Sum32(), off})
}

// add writes object h whole, from content.
func (p *packFile) add(h plumbing.Hash, kind plumbing.ObjectType, size int64, content io.Reader) error {
	off, err := p.begin(kind, size, 0)
	if err != nil {
		return err
	}
	z, err := p.deflater(size)
	if err != nil {
		return err
	}
	n, err := io.Copy(z, content)
	if err == nil && n != size {
		err = fmt.Errorf("object %s: %d bytes came instead of %d", h, n, size)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return err
	}
	p.end(h, off)
	return nil
}

// deflater returns a deflater for an object of this size. A user waits while a large
// stream is stored: it is made a little less small in a quarter of the time. The small
// objects of a run's own pack are done before the tables of the other deflaters are made.
func (p *packFile) deflater(size int64) (io.WriteCloser, error) {
	switch {
	case size >= largeBlob:
		return deflaterOf(&p.fast, zlib.BestSpeed, p)
	case size <= smallObject && p.level == zlib.DefaultCompression:
		p.small.content.Reset()
		return &p.small, nil
	}
	return deflaterOf(&p.z, p.level, p)
}

// deflaterOf makes *z, once, and directs it to w.
func deflaterOf(z **zlib.Writer, level int, w io.Writer) (io.WriteCloser, error) {
	if *z == nil {
		made, err := zlib.NewWriterLevel(w, level)
		if err != nil {
			return nil, err
		}
		*z = made
		return *z, nil
	}
	(*z).Reset(w)
	return *z, nil
}

// addDelta writes object h as a delta against an object that lies at base.
func (p *packFile) addDelta(h plumbing.Hash, delta []byte, base int64) error {
	off, err := p.begin(plumbing.OFSDeltaObject, int64(len(delta)), base)
	if err != nil {
		return err
	}
	z, err := p.deflater(int64(len(delta)))
	if err != nil {
		return err
	}
	if _, err := z.Write(delta); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	p.end(h, off)
	return nil
}

// copy takes an entry over from another pack as it is deflated there: the bytes
// up to next, where the following entry begins.
func (p *packFile) copy(h plumbing.Hash, src *pack, e entry, next, base int64) error {
	off, err := p.begin(e.kind, e.size, base)
	if err != nil {
		return err
	}
	if e.kind == plumbing.REFDeltaObject {
		if err := p.write(e.baseRef[:]); err != nil {
			return err
		}
	}
	n, err := io.Copy(p, io.LimitReader(&packReader{p: src, off: e.data}, next-e.data))
	if werr := p.write(nil); werr != nil {
		return werr // the buffer keeps its first error: the disk is full, say
	}
	if err != nil || n != next-e.data {
		return src.corrupt(e.offset, errors.Join(err, io.ErrUnexpectedEOF))
	}
	p.end(h, off)
	return nil
}

// A sealedPack is a whole pack with its index, on disk, that is not visible yet.
type sealedPack struct {
	db      *DB
	name    string // the one that it will have
	tmpPack string
	tmpIdx  string
}

// seal writes the trailer and the index and flushes both to disk.
func (p *packFile) seal() (*sealedPack, error) {
	if len(p.objs) != p.want {
		return nil, errors.Join(fmt.Errorf("pack has %d objects instead of %d", len(p.objs), p.want), p.abort())
	}
	var sum plumbing.Hash
	copy(sum[:], p.sum.Sum(nil))
	_, err := p.buf.Write(sum[:])
	if err == nil {
		err = p.buf.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, p.abort())
	}
	// Neither has a name yet, so their flushes need no order, and a disk does both in little more
	// time than one.
	flushed := make(chan error, 1)
	go func() { flushed <- p.close() }()
	sortEntries(p.objs)
	idx, err := p.db.writeIndex(sum, len(p.objs), func(i int) indexEntry { return p.objs[i] })
	s := &sealedPack{db: p.db, name: "pack-" + sum.String(), tmpPack: p.file.Name(), tmpIdx: idx}
	ferr := <-flushed
	switch {
	case err != nil: // writeIndex has removed the index
		return nil, errors.Join(ferr, err, p.abort())
	case ferr != nil:
		return nil, errors.Join(ferr, s.discard())
	}
	return s, nil
}

// verify reads the pack back and checks all of it.
func (s *sealedPack) verify(ctx context.Context) error {
	p := &pack{db: s.db, name: s.name, dataPath: s.tmpPack, idxPath: s.tmpIdx}
	return errors.Join(s.db.verify(ctx, p, nil), p.close())
}

// keepText is the content of the .keep files of this package.
const keepText = "qme: the branch is about to refer to this pack\n"

// publish gives pack and index their names, the index last: it makes a pack visible. With
// keep a .keep file is written first, so that git does not drop objects to which nothing
// refers yet.
func (s *sealedPack) publish(keep bool) (err error) {
	path := filepath.Join(s.db.packDir(), s.name)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.db.remove(path+".keep"), s.discard())
		}
	}()
	if keep {
		if err := afero.WriteFile(s.db.fs, path+".keep", []byte(keepText), 0o600); err != nil {
			return err
		}
	}
	if err := s.db.fs.Rename(s.tmpPack, path+".pack"); err != nil {
		return err
	}
	if err := s.db.fs.Rename(s.tmpIdx, path+".idx"); err != nil {
		return err
	}
	return s.db.syncDir(s.db.packDir())
}

// discard removes a pack that does not get its name.
func (s *sealedPack) discard() error {
	return errors.Join(s.db.remove(s.tmpPack), s.db.remove(s.tmpIdx))
}

// unpublish removes the rest of a pack whose publish has failed and whose name no other pack
// can have. The index goes first, as in Discard.
func (s *sealedPack) unpublish() error {
	path := filepath.Join(s.db.packDir(), s.name)
	return errors.Join(s.db.remove(path+".idx"), s.db.remove(path+".pack"), s.db.remove(path+".keep"))
}
