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
	// maxGrowth is by how much zlib makes what does not deflate longer: 11 bytes,
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

// Close may be called more than once: what it gives back belongs to another then.
func (i *inflating) Close() error {
	if i.z != nil {
		putInflater(i.z)
		i.z = nil
	}
	return nil
}

// looseKind reads the type of a loose object, and nothing of its content.
func looseKind(f afero.File) (plumbing.ObjectType, error) {
	z, err := getInflater(bufio.NewReader(f))
	if err != nil {
		return plumbing.InvalidObject, fmt.Errorf("loose object: %w", damage(err))
	}
	defer putInflater(z)
	head := make([]byte, 8)
	n, err := io.ReadFull(z, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // the shortest header, of an empty blob, has seven bytes
		return plumbing.InvalidObject, fmt.Errorf("loose object: %w", damage(err))
	}
	name, _, _ := bytes.Cut(head[:n], []byte{' '})
	t, err := plumbing.ParseObjectType(string(name))
	if err != nil {
		return plumbing.InvalidObject, fmt.Errorf("loose object: %w", damage(err))
	}
	return t, nil
}

// readLoose reads a loose object: the deflated header "TYPE SIZE\0" and content.
func readLoose(f afero.File) (plumbing.ObjectType, []byte, error) {
	bad := func(err error) (plumbing.ObjectType, []byte, error) {
		return plumbing.InvalidObject, nil, fmt.Errorf("loose object: %w", damage(err))
	}
	z, err := getInflater(bufio.NewReader(f))
	if err != nil {
		return bad(err)
	}
	defer putInflater(z)
	b, err := io.ReadAll(io.LimitReader(z, maxInMemory))
	if err != nil {
		return bad(err)
	}
	head, content, ok := bytes.Cut(b, []byte{0})
	name, size, ok2 := bytes.Cut(head, []byte{' '})
	if !ok || !ok2 || len(head) > 32 {
		return bad(errors.New("no header"))
	}
	t, err := plumbing.ParseObjectType(string(name))
	if err != nil {
		return bad(err)
	}
	if n, err := strconv.Atoi(string(size)); err != nil || n != len(content) {
		return bad(errors.New("not of the size that its header says"))
	}
	return t, content, nil
}
