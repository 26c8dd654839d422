package odb

import (
	"bytes"
	"hash/maphash"

	"github.com/go-git/go-git/v5/plumbing"
)

// A chain holds the objects of one kind of thing, the versions of a tree say, that
// are stored whole and to which others of the kind are stored as deltas. So an
// object is one step from whole: a chain of deltas would make old versions slow to
// read, and two versions of a folder of the history differ in as little however far
// apart they are.
type chain struct {
	text  bool // its objects are compared by their lines
	limit int  // the size from which a delta is not worth it, in percent of the object
	bases []*chainBase
}

// newChain returns a chain of objects of one type. The limits are those that gave
// the smallest packs: a delta of a tree that has grown says that the base is an
// old one, while what is new in a commit is most of it, and does not deflate.
func newChain(kind plumbing.ObjectType) *chain {
	switch kind {
	case plumbing.BlobObject:
		return &chain{text: true, limit: 75}
	case plumbing.CommitObject:
		return &chain{limit: 90}
	}
	return &chain{limit: 50}
}

// worth reports whether a delta is so much smaller than the object that it should
// be stored, and not make the object a new base.
func (c *chain) worth(delta, object int) bool { return delta*100 < object*c.limit }

// A chainBase is an object that is stored whole.
type chainBase struct {
	content []byte
	offset  int64
	used    int
	lines   map[uint64]struct{}
}

const (
	// deltaWindow is how many versions of a tree share a base.
	deltaWindow = 32
	// textBases is among how many texts the nearest is looked for: records of
	// the same command have most in common.
	textBases = 24
)

var lineSeed = maphash.MakeSeed()

// nearest returns the base that has most in common with b, nil when a new one is
// due.
func (c *chain) nearest(b []byte) *chainBase {
	if len(c.bases) == 0 {
		return nil
	}
	if !c.text {
		if last := c.bases[0]; last.used < deltaWindow {
			return last
		}
		return nil
	}
	var best *chainBase
	most := 0
	for _, base := range c.bases {
		common := 0
		for line := range bytes.Lines(b) {
			if _, ok := base.lines[maphash.Bytes(lineSeed, line)]; ok {
				common += len(line)
			}
		}
		if common > most {
			best, most = base, common
		}
	}
	// A base that few lines are shared with is worth less than a new one, which
	// the next of its like will share more with.
	if most*8 < len(b) {
		return nil
	}
	return best
}

// add makes an object that is written whole at offset a base.
func (c *chain) add(content []byte, offset int64) {
	b := &chainBase{content: content, offset: offset}
	if !c.text {
		c.bases = []*chainBase{b}
		return
	}
	b.lines = map[uint64]struct{}{}
	for line := range bytes.Lines(content) {
		b.lines[maphash.Bytes(lineSeed, line)] = struct{}{}
	}
	if c.bases = append(c.bases, b); len(c.bases) > textBases {
		c.bases = c.bases[1:]
	}
}
