package odb

import (
	"bytes"
	"hash/maphash"
	"math/bits"

	"github.com/go-git/go-git/v5/plumbing"
)

// A chain holds the last objects of one kind, the versions of a tree or the records of
// an executor: the next is stored as a delta against one of them. How many steps an object is from a whole one is bounded, so
// that old versions stay quick to read.
type chain struct {
	depth int // the most steps
	least int // the shortest run of equal bytes that makes a delta smaller
	limit int // the size from which a delta is not worth it, in percent of the object

	// Of trees: each version differs little from the next newer one, and less the
	// nearer they are in time.
	last, whole *chainBase
	texts       *texts // of records and commits, nil for trees
}

// newChain returns a chain of objects of one type. The numbers are those that
// gave the smallest packs; twice the depth of texts gains 1 % more.
func newChain(kind plumbing.ObjectType) *chain {
	switch kind {
	case plumbing.BlobObject:
		return &chain{depth: 4, least: 12, limit: 75, texts: &texts{slotsOf: map[uint64]uint64{}}}
	case plumbing.CommitObject:
		return &chain{depth: 4, least: 8, limit: 90, texts: &texts{slotsOf: map[uint64]uint64{}, words: true}}
	}
	return &chain{depth: 8, least: 8, limit: 80}
}

// worth reports whether a delta is so much smaller than the object that it should
// be stored instead.
func (c *chain) worth(delta, object int) bool { return delta*100 < object*c.limit }

// A chainBase is an object that others may become deltas of.
type chainBase struct {
	content []byte
	offset  int64
	depth   int      // its own steps from a whole object
	parts   []uint64 // hashes of the lines or words of a text
}

// object returns a base for content that is to be written at an offset.
func (c *chain) object(content []byte, offset int64) *chainBase {
	b := &chainBase{content: content, offset: offset}
	if c.texts != nil {
		c.texts.eachPart(content, func(h uint64, _ int) { b.parts = append(b.parts, h) })
	}
	return b
}

// nearest returns the base that has most in common with b, nil for none.
func (c *chain) nearest(b *chainBase) *chainBase {
	switch {
	case c.texts != nil:
		return c.texts.nearest(b)
	case c.last != nil && c.last.depth == c.depth:
		return c.whole
	}
	return c.last
}

// add makes an object that has been written a base.
func (c *chain) add(b *chainBase) {
	if c.texts != nil {
		if b.depth < c.depth {
			c.texts.add(b)
		}
		return
	}
	if c.last = b; b.depth == 0 {
		c.whole = b
	}
}

// textBases is among how many texts the nearest is looked for: records of the same
// command have most in common. A uint64 has a bit for each.
const textBases = 64

// texts are the last bases of a chain, by their lines or words.
type texts struct {
	words   bool // parts are words and not lines: of commits, no line is like another's
	slots   [textBases]*chainBase
	slotsOf map[uint64]uint64 // hash of a part to the slots whose text has it, a bit for each
	next    int
}

var partSeed = maphash.MakeSeed()

func (t *texts) eachPart(b []byte, fn func(hash uint64, size int)) {
	ends := "\n"
	if t.words {
		ends = " \n"
	}
	for len(b) > 0 {
		n := bytes.IndexAny(b, ends) + 1
		if n == 0 {
			n = len(b)
		}
		fn(maphash.Bytes(partSeed, b[:n]), n)
		b = b[n:]
	}
}

func (t *texts) nearest(b *chainBase) *chainBase {
	var common [textBases]int
	t.eachPart(b.content, func(h uint64, size int) {
		for slots := t.slotsOf[h]; slots != 0; slots &= slots - 1 {
			common[bits.TrailingZeros64(slots)] += size
		}
	})
	best := 0
	for i, n := range common {
		if n > common[best] {
			best = i
		}
	}
	if common[best] == 0 {
		return nil
	}
	return t.slots[best]
}

// add puts a text in the place of the oldest.
func (t *texts) add(b *chainBase) {
	slot := uint64(1) << t.next
	if old := t.slots[t.next]; old != nil {
		for _, h := range old.parts {
			if t.slotsOf[h] &^= slot; t.slotsOf[h] == 0 {
				delete(t.slotsOf, h)
			}
		}
	}
	for _, h := range b.parts {
		t.slotsOf[h] |= slot
	}
	t.slots[t.next] = b
	t.next = (t.next + 1) % textBases
}
