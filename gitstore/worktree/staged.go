package worktree

import (
	"fmt"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// emptyTree is the tree without entries, which need not be stored.
var emptyTree = plumbing.NewHash("4b825dc642cb6eb9a060e54bf8d69288fbee4904")

// staged answers whether the index differs from the commit in head.
func (c *check) staged(r *repo, head head, idx *index) answer {
	if head.commit == "" {
		if len(idx.entries) > 0 {
			return yes
		}
		return no
	}
	db, err := openObjects(r.objectsDir())
	if err != nil {
		return unknown
	}
	defer db.Close()
	s := &stagedCheck{check: c, db: db, entries: idx.entries}
	tree, err := s.treeOf(plumbing.NewHash(head.commit))
	if err != nil {
		return unknown
	}
	a := s.folder(tree, idx.tree, "", 0)
	if a == no && s.pos < len(s.entries) {
		return yes // HEAD lacks the last ones
	}
	return a
}

// A stagedCheck walks a commit's trees and the index side by side.
type stagedCheck struct {
	*check
	db      *chain
	entries []entry
	pos     int // the first entry that has not been compared
}

// treeOf returns the tree of a commit.
func (s *stagedCheck) treeOf(commit plumbing.Hash) (plumbing.Hash, error) {
	b, err := s.get(commit, plumbing.CommitObject)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	tree, _, ok := gitformat.NamedObject(b, "tree ")
	if !ok {
		return plumbing.ZeroHash, fmt.Errorf("%w commit %s", record.ErrCorrupt, commit)
	}
	return tree, nil
}

func (s *stagedCheck) get(h plumbing.Hash, want plumbing.ObjectType) ([]byte, error) {
	if s.late() {
		return nil, fmt.Errorf("read object %s: %w", h, errSpent)
	}
	kind, b, err := s.db.Get(h)
	if err != nil {
		return nil, err
	}
	if kind != want {
		return nil, fmt.Errorf("%w object %s: a %s where a %s is expected", record.ErrCorrupt, h, kind, want)
	}
	if !s.spend(int64(len(b))) {
		return nil, fmt.Errorf("read object %s: %w", h, errSpent)
	}
	return b, nil
}

// folder answers whether the tree h, which lies at prefix, differs from the
// entries of the index that come next; both are sorted alike. node is the
// index's entry for that folder, or nil. A folder noted to be h is not read, so
// that the usual case, a clean index, costs no more than the commit.
func (s *stagedCheck) folder(h plumbing.Hash, node *cacheTree, prefix string, depth int) answer {
	if node.valid() && node.hash == h {
		// If the index has something before it, then the last of the folder
		// is left over, and fits nothing that follows.
		if s.pos += node.entries; s.pos > len(s.entries) {
			return unknown // damaged
		}
		return no
	}
	if h == emptyTree {
		return no
	}
	b, err := s.get(h, plumbing.TreeObject)
	if err != nil || depth > maxDepth {
		return unknown
	}
	for len(b) > 0 {
		t, rest, ok := gitformat.NextTreeEntry(b)
		mode, err := strconv.ParseUint(string(t.Mode), 8, 32)
		if !ok || err != nil {
			return unknown
		}
		b = rest
		var a answer
		if mode, name := canonical(uint32(mode)), string(t.Name); mode == typeDir {
			a = s.folder(t.Hash, node.sub(name), prefix+name+"/", depth+1)
		} else {
			a = s.file(prefix+name, mode, t.Hash)
		}
		// After something unknown, pos is of no use.
		if a != no {
			return a
		}
	}
	return no
}

func (s *stagedCheck) file(path string, mode uint32, h plumbing.Hash) answer {
	if s.pos == len(s.entries) {
		return yes
	}
	e := &s.entries[s.pos]
	if e.name != path || e.hash != h || e.mode != mode {
		return yes
	}
	s.pos++
	return no
}

// canonical gives a mode the form that the index has it in: the first versions
// of git stored other permissions.
func canonical(mode uint32) uint32 {
	switch mode & typeMask {
	case typeRegular:
		if mode&0o100 != 0 {
			return 0o100755
		}
		return 0o100644
	case typeLink, typeDir:
		return mode & typeMask
	}
	return typeGitlink
}
