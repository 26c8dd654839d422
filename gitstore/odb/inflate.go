package odb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/klauspost/compress/zlib"
	"github.com/spf13/afero"

	"qme/record"
)

// packReader reads a pack from an offset on.
type packReader struct {
	p   *pack
	off int64
}

func (r *packReader) Read(b []byte) (int, error) {
	n, err := r.p.readAt(b, r.off)
	r.off += int64(n)
	return n, err
}

// A window holds the beginning of an entry, and all of a small one.
type window struct {
	buf  []byte
	mem  bytes.Reader // of an entry that is all in buf: the inflater has a fast way for these
	rest *bufio.Reader
}

const (
	windowSize = 32 << 10
	// firstRead gets all of most objects.
	firstRead = 1 << 10
	// maxGrowth is the number of bytes that zlib adds to data that does not deflate: 11,
	// and 5 for each 16 KiB.
	maxGrowth = 64
)

var windows = sync.Pool{New: func() any {
	return &window{buf: make([]byte, windowSize), rest: bufio.NewReaderSize(nil, windowSize)}
}}

// source returns a reader of the deflated bytes of e, of whose entry the first n
// bytes are in the window already.
func (w *window) source(p *pack, e entry, n int) (io.Reader, error) {
	head := int(e.data - e.offset)
	if need := int64(head) + e.size + maxGrowth; need <= windowSize {
		if int64(n) < need {
			more, err := p.readAt(w.buf[n:need], e.offset+int64(n))
			if n += more; more == 0 && !errors.Is(err, io.EOF) {
				return nil, err
			}
		}
		w.mem.Reset(w.buf[head:n])
		return &w.mem, nil
	}
	w.rest.Reset(&packReader{p: p, off: e.data})
	return w.rest, nil
}

var inflaters sync.Pool

func getInflater(r io.Reader) (io.ReadCloser, error) {
	if z, ok := inflaters.Get().(io.ReadCloser); ok {
		if err := z.(zlib.Resetter).Reset(r, nil); err != nil {
			return nil, err
		}
		return z, nil
	}
	return zlib.NewReader(r)
}

func putInflater(z io.ReadCloser) { inflaters.Put(z) }

// inflating reads an object of a known size and says so when it is another.
type inflating struct {
	z    io.ReadCloser
	left int64
}

func (i *inflating) Read(b []byte) (int, error) {
	if i.z == nil {
		return 0, fs.ErrClosed
	}
	n, err := i.z.Read(b)
	i.left -= int64(n)
	switch {
	case i.left < 0, err == io.EOF && i.left > 0:
		return n, fmt.Errorf("object has not the size that its header says: %w", record.ErrCorrupt)
	case err != nil && err != io.EOF:
		return n, damage(err)
	}
	return n, err
}

// Close may be called more than once: the inflater belongs to another reader then.
func (i *inflating) Close() error {
	if i.z != nil {
		putInflater(i.z)
		i.z = nil
	}
	return nil
}

// A looseReader reads a loose object: the deflated header "TYPE SIZE\0" and content.
type looseReader struct {
	kind plumbing.ObjectType
	size int64 // as the header says
	io.Reader
	file afero.File
	z    io.ReadCloser
}

// openLoose opens a loose object. It reads nothing but the header.
func (db *DB) openLoose(h plumbing.Hash) (*looseReader, error) {
	f, err := db.fs.Open(db.loosePath(h))
	if err != nil {
		return nil, err
	}
	r, err := newLooseReader(f)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", h, errors.Join(err, f.Close()))
	}
	return r, nil
}

// newLooseReader reads the header of a loose object.
func newLooseReader(f afero.File) (*looseReader, error) {
	z, err := getInflater(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("loose object: %w", damage(err))
	}
	b := bufio.NewReader(z)
	r := &looseReader{Reader: b, file: f, z: z}
	head, err := b.ReadSlice(0)
	name, digits, ok := bytes.Cut(bytes.TrimSuffix(head, []byte{0}), []byte{' '})
	if err == nil && (!ok || len(head) > 32) {
		err = errors.New("no header")
	}
	if err == nil {
		r.kind, err = plumbing.ParseObjectType(string(name))
	}
	if err == nil {
		r.size, err = strconv.ParseInt(string(digits), 10, 64)
	}
	if err == nil && r.size < 0 {
		err = errors.New("a size below zero")
	}
	if err != nil {
		r.release()
		return nil, fmt.Errorf("loose object: %w", damage(err))
	}
	return r, nil
}

func (r *looseReader) release() {
	if r.z != nil {
		putInflater(r.z)
		r.z = nil
	}
}

// Close closes the file as well. Nothing can be read after it.
func (r *looseReader) Close() error {
	r.release()
	r.Reader = &inflating{} // which says that it is closed
	return r.file.Close()
}

// looseKind reads the type of a loose object, and nothing of its content.
func looseKind(f afero.File) (plumbing.ObjectType, error) {
	r, err := newLooseReader(f)
	if err != nil {
		return plumbing.InvalidObject, err
	}
	r.release()
	return r.kind, nil
}

// readLoose reads a loose object.
func readLoose(f afero.File) (plumbing.ObjectType, []byte, error) {
	r, err := newLooseReader(f)
	if err != nil {
		return plumbing.InvalidObject, nil, err
	}
	defer r.release()
	b, err := io.ReadAll(io.LimitReader(r, maxInMemory))
	if err == nil && r.size != int64(len(b)) {
		err = errors.New("not of the size that its header says")
	}
	if err != nil {
		return plumbing.InvalidObject, nil, fmt.Errorf("loose object: %w", damage(err))
	}
	return r.kind, b, nil
}
