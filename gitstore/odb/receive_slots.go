package odb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// A slot describes one object of a pack that is received. There may be
// millions, so it is 48 bytes and has no pointers.
type slot struct {
	hash  plumbing.Hash // zero until it is known
	crc   uint32        // of the entry
	off   int64
	base  int32 // the slot of a delta's base, none until it is known
	child int32 // the last delta by offset to this one, or none
	next  int32 // the delta to the same base before this one, or none
	depth uint16
	kind  plumbing.ObjectType // of the object; a delta's until it is resolved
	delta bool
}

// none is no slot.
const none int32 = -1

// slots is a table that grows without moving, with each object that comes. They are in
// the order of their offsets.
type slots struct {
	chunks []*[chunkSlots]slot
	n      int32
}

const chunkSlots = 4096

func (s *slots) at(i int32) *slot { return &s.chunks[i/chunkSlots][i%chunkSlots] }

func (s *slots) add(x slot) int32 {
	if s.n%chunkSlots == 0 {
		s.chunks = append(s.chunks, new([chunkSlots]slot))
	}
	s.n++
	*s.at(s.n - 1) = x
	return s.n - 1
}

// find returns the slot of the entry that begins at off.
func (s *slots) find(off int64) (int32, bool) {
	i := int32(sort.Search(int(s.n), func(i int) bool { return s.at(int32(i)).off >= off }))
	return i, i < s.n && s.at(i).off == off
}

// A refDelta is a delta that names its base.
type refDelta struct {
	base    plumbing.Hash
	at      int32
	claimed uint32 // 1 when its base was found; atomic
}

func (r *receiver) sortRefs() {
	slices.SortFunc(r.refs, func(a, b refDelta) int { return cmp.Or(bytes.Compare(a.base[:], b.base[:]), cmp.Compare(a.at, b.at)) })
}

// refsTo returns the range of the deltas that name h as their base.
func (r *receiver) refsTo(h plumbing.Hash) (lo, hi int32) {
	n := len(r.refs)
	from := sort.Search(n, func(i int) bool { return bytes.Compare(r.refs[i].base[:], h[:]) >= 0 })
	to := from
	for to < n && r.refs[to].base == h {
		to++
	}
	return int32(from), int32(to)
}

// A nameKey is the beginning of an object's name, which nearly always tells it from
// others, and its slot.
type nameKey struct {
	key uint64
	at  int32
}

// sortNames returns all objects in the order of their names, of which none may be
// there twice.
func (r *receiver) sortNames() ([]nameKey, error) {
	names := make([]nameKey, r.slots.n)
	for i := range names {
		h := &r.slots.at(int32(i)).hash
		names[i] = nameKey{key: binary.BigEndian.Uint64(h[:]), at: int32(i)}
	}
	slices.SortFunc(names, func(a, b nameKey) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return bytes.Compare(r.slots.at(a.at).hash[:], r.slots.at(b.at).hash[:])
	})
	for i := 1; i < len(names); i++ {
		if h := r.slots.at(names[i].at).hash; h == r.slots.at(names[i-1].at).hash {
			return nil, twice(h)
		}
	}
	return names, nil
}

func twice(h plumbing.Hash) error {
	return fmt.Errorf("object %s is in the pack twice: %w", h, record.ErrInvalid)
}

// kindIn returns the kind of an object of the pack; ok is false when it is not in there.
func (r *receiver) kindIn(names []nameKey, h plumbing.Hash) (kind plumbing.ObjectType, ok bool) {
	key := binary.BigEndian.Uint64(h[:])
	i := sort.Search(len(names), func(i int) bool { return names[i].key >= key })
	for ; i < len(names) && names[i].key == key; i++ {
		if s := r.slots.at(names[i].at); s.hash == h {
			return s.kind, true
		}
	}
	return plumbing.InvalidObject, false
}
