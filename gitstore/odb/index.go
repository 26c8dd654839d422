package odb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
)

// An index is a pack index of version 2 (gitformat-pack(5)). Of a large one only
// the fan-out table is held in memory; SHA-1 spreads names evenly, so that a
// read of a few hundred bytes where the name should be nearly always finds it.
type index struct {
	file   afero.File
	whole  []byte // all of the file, when it is small
	fanout [256]uint32
	count  int64
	size   int64
}

const (
	idxHeaderLen = 8 + 256*4
	smallIndex   = 16 << 10
	probe        = 96 // names read at once
)

var idxMagic = []byte{0xff, 't', 'O', 'c', 0, 0, 0, 2}

func openIndex(fsys afero.Fs, path string) (*index, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	x, err := readIndex(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if x.whole != nil {
		return x, f.Close()
	}
	x.file = readerAt(f)
	return x, nil
}

// errOldIndex says that an index is one of version 1, or nothing like an index.
var errOldIndex = errors.New("pack index is not of version 2")

func readIndex(f afero.File) (*index, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	x := &index{size: info.Size()}
	if x.size < idxHeaderLen+2*hashLen {
		return nil, fmt.Errorf("pack index is cut off at %d bytes: %w", x.size, record.ErrCorrupt)
	}
	head := make([]byte, idxHeaderLen)
	if x.size <= smallIndex {
		x.whole = make([]byte, x.size)
		head = x.whole
	}
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, err
	}
	if !bytes.Equal(head[:8], idxMagic) {
		return nil, fmt.Errorf("%w: %w", errOldIndex, record.ErrCorrupt)
	}
	var last uint32
	for i := range x.fanout {
		x.fanout[i] = binary.BigEndian.Uint32(head[8+4*i:])
		if x.fanout[i] < last {
			return nil, fmt.Errorf("pack index has a fan-out table that descends: %w", record.ErrCorrupt)
		}
		last = x.fanout[i]
	}
	x.count = int64(last)
	if x.size < idxHeaderLen+x.count*28+2*hashLen {
		return nil, fmt.Errorf("pack index is cut off at %d bytes: %w", x.size, record.ErrCorrupt)
	}
	return x, nil
}

func (x *index) close() error {
	if x.file == nil {
		return nil
	}
	return x.file.Close()
}

func (x *index) readAt(b []byte, off int64) error {
	if x.whole != nil {
		copy(b, x.whole[off:])
		return nil
	}
	n, err := x.file.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// lookup returns the offset of an object in the pack.
func (x *index) lookup(h plumbing.Hash) (int64, bool, error) {
	lo, hi := int64(0), int64(x.fanout[h[0]])
	if h[0] > 0 {
		lo = int64(x.fanout[h[0]-1])
	}
	var buf [probe * hashLen]byte
	for lo < hi {
		from, n := lo, hi-lo
		if n > probe {
			frac := int64(binary.BigEndian.Uint32(h[1:]))
			from = max(lo, min(hi-probe, lo+(hi-lo)*frac>>32-probe/2))
			n = probe
		}
		names := buf[:n*hashLen]
		if err := x.readAt(names, idxHeaderLen+from*hashLen); err != nil {
			return 0, false, err
		}
		i := int64(sort.Search(int(n), func(i int) bool {
			return bytes.Compare(names[i*hashLen:(i+1)*hashLen], h[:]) >= 0
		}))
		switch {
		case i < n && bytes.Equal(names[i*hashLen:(i+1)*hashLen], h[:]):
			off, err := x.offset(from + i)
			return off, err == nil, err
		case i == 0:
			hi = from
		case i == n:
			lo = from + n
		default:
			return 0, false, nil
		}
		// The next probe halves the rest, so that names that are not
		// spread evenly cost no more than a binary search.
		if hi-lo > 4*probe {
			mid := lo + (hi-lo)/2
			var name plumbing.Hash
			if err := x.readAt(name[:], idxHeaderLen+mid*hashLen); err != nil {
				return 0, false, err
			}
			if bytes.Compare(name[:], h[:]) <= 0 {
				lo = mid
			} else {
				hi = mid
			}
		}
	}
	return 0, false, nil
}

// offset returns where the i-th object of the index, in the order of names, lies.
func (x *index) offset(i int64) (int64, error) {
	var b [8]byte
	if err := x.readAt(b[:4], idxHeaderLen+x.count*24+i*4); err != nil {
		return 0, err
	}
	off := binary.BigEndian.Uint32(b[:4])
	if off&(1<<31) == 0 {
		return int64(off), nil
	}
	large := idxHeaderLen + x.count*28 + int64(off&^(1<<31))*8
	if large+8 > x.size-2*hashLen {
		return 0, fmt.Errorf("pack index has an offset out of range: %w", record.ErrCorrupt)
	}
	if err := x.readAt(b[:], large); err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(b[:])), nil
}

// An item is one object of an index.
type item struct {
	hash   plumbing.Hash
	offset int64
}

// all returns every object in the order of names.
func (x *index) all() ([]item, error) {
	names := make([]byte, x.count*hashLen)
	if err := x.readAt(names, idxHeaderLen); err != nil {
		return nil, err
	}
	items := make([]item, x.count)
	for i := range items {
		copy(items[i].hash[:], names[i*hashLen:])
	}
	offsets := make([]byte, x.count*4)
	if err := x.readAt(offsets, idxHeaderLen+x.count*24); err != nil {
		return nil, err
	}
	for i := range items {
		off := binary.BigEndian.Uint32(offsets[i*4:])
		if off&(1<<31) == 0 {
			items[i].offset = int64(off)
			continue
		}
		var err error
		if items[i].offset, err = x.offset(int64(i)); err != nil {
			return nil, err
		}
	}
	return items, nil
}
