package odb

import (
	"encoding/binary"
	"math/bits"
)

// A differ makes deltas (gitformat-pack(5)). Those of go-git find equal
// stretches by blocks of 16 bytes; here records and trees, which are small
// and differ in many places, become a tenth smaller. It is for one goroutine.
type differ struct {
	base  []byte
	shift uint
	heads []int32 // by hash: 1 + the first place in the base with these bytes, 0 for none
	next  []int32 // by place: the next one with the same hash, likewise
	delta []byte
}

const (
	hashed    = 4  // bytes by which equal places are found
	maxTries  = 16 // places that are compared
	maxCopy   = 1<<16 - 1
	maxInsert = 1<<7 - 1
)

// diff returns a delta that makes target of base, and is good until the next
// call. Runs of less than least equal bytes, least being 4 or more, are not copied.
func (d *differ) diff(base, target []byte, least int) []byte {
	d.index(base)
	d.delta = binary.AppendUvarint(d.delta[:0], uint64(len(base)))
	d.delta = binary.AppendUvarint(d.delta, uint64(len(target)))
	done := 0
	for i := 0; i+hashed <= len(target); {
		at, n := d.longest(target[i:])
		if n < least {
			i++
			continue
		}
		// A place further there is often a longer run.
		if later, m := d.longest(target[i+1:]); m > n+1 {
			i, at, n = i+1, later, m
		}
		for i > done && at > 0 && target[i-1] == base[at-1] {
			i, at, n = i-1, at-1, n+1
		}
		d.insert(target[done:i])
		d.copy(at, n)
		i += n
		done = i
	}
	d.insert(target[done:])
	return d.delta
}

func (d *differ) index(base []byte) {
	size := min(max(bits.Len(uint(len(base))), 8), 16)
	d.base, d.shift = base, uint(32-size)
	if len(d.heads) < 1<<size {
		d.heads = make([]int32, 1<<size)
	}
	clear(d.heads[:1<<size])
	if len(d.next) < len(base) {
		d.next = make([]int32, len(base))
	}
	// Backwards: of bytes that repeat, the longest runs begin at the first places.
	for i := len(base) - hashed; i >= 0; i-- {
		h := d.hash(base[i:])
		d.next[i], d.heads[h] = d.heads[h], int32(i+1)
	}
}

func (d *differ) hash(b []byte) uint32 {
	return binary.LittleEndian.Uint32(b) * 2654435761 >> d.shift // Knuth's multiplicative hash
}

// longest returns the longest run of bytes in the base with which b begins.
func (d *differ) longest(b []byte) (at, n int) {
	if len(b) < hashed {
		return 0, 0
	}
	next := d.heads[d.hash(b)]
	for try := 0; next > 0 && try < maxTries; try++ {
		i := int(next - 1)
		if k := equal(d.base[i:], b); k > n {
			at, n = i, k
		}
		next = d.next[i]
	}
	return at, n
}

// equal returns how many bytes a and b have in common at their beginning.
func equal(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// insert appends instructions to take bytes from the delta.
func (d *differ) insert(b []byte) {
	for len(b) > 0 {
		n := min(len(b), maxInsert)
		d.delta = append(append(d.delta, byte(n)), b[:n]...)
		b = b[n:]
	}
}

// copy appends instructions to take n bytes from the base. Bytes of the place and of
// the number that are zero are left out: a bit says of each whether it is there.
func (d *differ) copy(at, n int) {
	for n > 0 {
		k := min(n, maxCopy)
		op := len(d.delta)
		d.delta = append(d.delta, 0x80)
		for i, v := range [...]int{at, at >> 8, at >> 16, at >> 24, k, k >> 8} {
			if byte(v) != 0 {
				d.delta[op] |= 1 << i
				d.delta = append(d.delta, byte(v))
			}
		}
		at, n = at+k, n-k
	}
}
