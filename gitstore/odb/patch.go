package odb

import (
	"errors"
	"fmt"
)

var errDelta = errors.New("not a delta")

// patch applies a delta (gitformat-pack(5)) to its base. It allocates by the bytes that
// are there, not by the size that the delta claims. allow may reject that size.
func patch(base, delta []byte, allow func(size int64) error) ([]byte, error) {
	from, d, err := deltaSize(delta)
	if err != nil {
		return nil, err
	}
	size, d, err := deltaSize(d)
	if err != nil {
		return nil, err
	}
	// git takes neither for a delta.
	if len(delta) < 4 || len(base) == 0 {
		return nil, errDelta
	}
	if from != int64(len(base)) {
		return nil, fmt.Errorf("the delta is for a base of %d bytes, and it has %d", from, len(base))
	}
	if err := allow(size); err != nil {
		return nil, err
	}
	out := make([]byte, 0, min(size, int64(len(base)+len(delta))))
	for len(d) > 0 {
		var piece []byte
		if piece, d, err = deltaPiece(base, d); err != nil {
			return nil, err
		}
		if int64(len(out)+len(piece)) > size {
			return nil, errDelta
		}
		out = append(out, piece...)
	}
	if int64(len(out)) != size {
		return nil, fmt.Errorf("the delta says %d bytes and makes %d", size, len(out))
	}
	return out, nil
}

// deltaSize reads one of the two sizes at the beginning of a delta.
func deltaSize(d []byte) (int64, []byte, error) {
	var size int64
	for i, c := range d {
		if i > 8 {
			break
		}
		size |= int64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return size, d[i+1:], nil
		}
	}
	return 0, nil, errDelta
}

// deltaPiece reads one instruction: it returns the bytes of the base, or of the
// delta itself, that come next, and the instructions after it.
func deltaPiece(base, d []byte) (piece, rest []byte, err error) {
	op := d[0]
	d = d[1:]
	if op&0x80 == 0 {
		if op == 0 || int(op) > len(d) {
			return nil, nil, errDelta
		}
		return d[:op], d[op:], nil
	}
	var v [7]byte // four bytes of the offset, three of the size
	for i := range v {
		if op>>i&1 == 0 {
			continue
		}
		if len(d) == 0 {
			return nil, nil, errDelta
		}
		v[i], d = d[0], d[1:]
	}
	off := int64(v[0]) | int64(v[1])<<8 | int64(v[2])<<16 | int64(v[3])<<24
	n := int64(v[4]) | int64(v[5])<<8 | int64(v[6])<<16
	if n == 0 {
		n = 0x10000
	}
	if off+n > int64(len(base)) {
		return nil, nil, errDelta
	}
	return base[off : off+n], d, nil
}
