package worktree

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// maxDepth bounds how deep folders lie in each other.
const maxDepth = 512

// A cacheTree is a folder of the index with the tree object that holds it.
type cacheTree struct {
	name    string
	entries int           // how many of the index's entries it covers, -1 when hash is void
	hash    plumbing.Hash // the tree object that git would write for it
	subs    []*cacheTree
}

func (t *cacheTree) valid() bool { return t != nil && t.entries >= 0 }

func (t *cacheTree) sub(name string) *cacheTree {
	if t == nil {
		return nil
	}
	for _, s := range t.subs {
		if s.name == name {
			return s
		}
	}
	return nil
}

// extensions reads the part after the entries. Of the extensions whose name begins
// with a capital, which a reader may skip, the cache tree is of use.
func (d *decoder) extensions(idx *index) error {
	rest := d.b[d.pos:]
	for len(rest) > 0 {
		if len(rest) < 8 {
			return record.ErrCorrupt
		}
		name, size := string(rest[:4]), binary.BigEndian.Uint32(rest[4:])
		rest = rest[8:]
		if int64(size) > int64(len(rest)) {
			return record.ErrCorrupt
		}
		if name[0] < 'A' || name[0] > 'Z' { // split ("link"), sparse ("sdir"), or later
			return fmt.Errorf("%w: extension %q", errUnsupported, name)
		}
		if name == "TREE" {
			tree, _, err := parseCacheTree(rest[:size], 0)
			if err != nil {
				return err
			}
			idx.tree = tree
		}
		rest = rest[size:]
	}
	return nil
}

// parseCacheTree reads one folder and those in it: name NUL, number of entries,
// space, number of folders, newline, hash (when valid), folders.
func parseCacheTree(b []byte, depth int) (*cacheTree, []byte, error) {
	name, rest, ok1 := bytes.Cut(b, []byte{0})
	counts, rest, ok2 := bytes.Cut(rest, []byte("\n"))
	entries, folders, ok3 := bytes.Cut(counts, []byte(" "))
	n, err1 := strconv.Atoi(string(entries))
	subs, err2 := strconv.Atoi(string(folders))
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || depth > maxDepth {
		return nil, nil, fmt.Errorf("%w: cache tree", record.ErrCorrupt)
	}
	t := &cacheTree{name: string(name), entries: max(n, -1)}
	if n >= 0 {
		if len(rest) < hashLen {
			return nil, nil, fmt.Errorf("%w: cache tree", record.ErrCorrupt)
		}
		rest = rest[copy(t.hash[:], rest):]
	}
	for range subs {
		sub, after, err := parseCacheTree(rest, depth+1)
		if err != nil {
			return nil, nil, err
		}
		t.subs, rest = append(t.subs, sub), after
	}
	return t, rest, nil
}
