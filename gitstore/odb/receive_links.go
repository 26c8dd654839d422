package odb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// links gathers the names that objects refer to, apart by the kind of object that
// each has to be.
type links struct {
	r    *receiver
	sets [linkKinds]*linkSet // made when needed
}

// The kinds of links. What a tag names may be of any kind.
const (
	toCommit = iota
	toTree
	toBlob
	toAny
	linkKinds
)

// kindOfLink is the type that an object has to have, by the kind of link.
var kindOfLink = [linkKinds]plumbing.ObjectType{plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.AnyObject}

func newLinks(r *receiver) links { return links{r: r} }

func (l *links) add(kind int, name plumbing.Hash) error {
	if l.sets[kind] == nil {
		l.sets[kind] = newLinkSet(l.r)
	}
	return l.sets[kind].add(name)
}

// A linkSet is names of objects. A history names nearly all of its objects again and
// again, so most are recognised and left out.
type linkSet struct {
	r      *receiver
	names  [][]plumbing.Hash // in pieces: to grow in one would take twice the memory
	n      int
	limit  int
	recent []plumbing.Hash // by the first bytes of the name
}

const (
	// freeLinks is how many names are gathered in any case.
	freeLinks = 1 << 20
	// maxRecent is how many names are remembered; it is a power of two.
	maxRecent = 1 << 16
	// linkChunk is how many names are in a piece.
	linkChunk = 4096
)

func newLinkSet(r *receiver) *linkSet {
	size := 1 << bits.Len(uint(min(max(r.total, 256), maxRecent)-1))
	l := &linkSet{r: r, limit: freeLinks, recent: make([]plumbing.Hash, size)}
	for i := range l.recent[0] {
		l.recent[0][i] = 0xff // a name that does not belong there: zeros would
	}
	return l
}

func (l *linkSet) add(name plumbing.Hash) error {
	place := &l.recent[binary.LittleEndian.Uint32(name[:])&uint32(len(l.recent)-1)]
	if *place == name {
		return nil
	}
	*place = name
	if l.n >= l.limit {
		if err := l.compact(); err != nil {
			return err
		}
	}
	last := len(l.names) - 1
	if last < 0 || len(l.names[last]) == cap(l.names[last]) {
		l.names = append(l.names, make([]plumbing.Hash, 0, min(len(l.recent), linkChunk)))
		last++
	}
	l.names[last] = append(l.names[last], *place)
	l.n++
	return nil
}

// compact makes room. A history that is whole names hardly more objects than it
// has; a few bytes of delta could name millions that do not exist.
func (l *linkSet) compact() error {
	all := slices.Concat(l.names...)
	slices.SortFunc(all, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	all = slices.Compact(all)
	if n := freeLinks + int(l.r.slots.n)*2; len(all) > n {
		return fmt.Errorf("the objects of the pack name more than %d others: %w", n, ErrTooLarge)
	}
	l.names, l.n = [][]plumbing.Hash{all}, len(all)
	l.limit = max(freeLinks, 2*l.n)
	return nil
}

// of adds the names in an object. The error wraps record.ErrInvalid when it is not
// well-formed.
func (l *links) of(kind plumbing.ObjectType, content []byte) error {
	switch kind {
	case plumbing.TreeObject:
		return l.ofTree(content)
	case plumbing.CommitObject:
		c, err := gitformat.ParseCommit(content)
		if err != nil {
			return fmt.Errorf("%w: %w", err, record.ErrInvalid)
		}
		err = l.add(toTree, c.Tree)
		for _, parent := range c.Parents {
			err = errors.Join(err, l.add(toCommit, parent))
		}
		return err
	case plumbing.TagObject:
		h, _, ok := gitformat.NamedObject(content, "object ")
		if !ok {
			return fmt.Errorf("the line with the name of an object is missing: %w", record.ErrInvalid)
		}
		return l.add(toAny, h)
	}
	return nil
}

func (l *links) ofTree(b []byte) error {
	for len(b) > 0 {
		e, rest, ok := gitformat.NextTreeEntry(b)
		if !ok || len(e.Mode) > len(gitformat.ModeFile)+1 {
			return fmt.Errorf("not the entries of a tree: %w", record.ErrInvalid)
		}
		kind := toBlob
		if string(e.Mode) == gitformat.ModeDir {
			kind = toTree
		}
		if string(e.Mode) != gitformat.ModeSubmodule { // that names a commit of another repository
			if err := l.add(kind, e.Hash); err != nil {
				return err
			}
		}
		b = rest
	}
	return nil
}

// connected checks that the pack or the database has all that the pack's objects
// name, and that it is of the kind that they name.
func (r *receiver) connected(ctx context.Context, names []nameKey, resolvers []*resolver) error {
	errs := make([]error, len(resolvers))
	var wait sync.WaitGroup
	for i, w := range resolvers {
		wait.Go(func() {
			for kind, set := range w.links.sets {
				for set != nil && len(set.names) > 0 && errs[i] == nil {
					errs[i] = r.haveAll(ctx, names, set.names[0], kindOfLink[kind])
					set.names = set.names[1:]
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (r *receiver) haveAll(ctx context.Context, names []nameKey, wanted []plumbing.Hash, kind plumbing.ObjectType) error {
	for i, h := range wanted {
		if i%linkChunk == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		got, ok := r.kindIn(names, h)
		if !ok {
			var err error
			if got, err = r.db.kind(h); errors.Is(err, ErrMissing) {
				return fmt.Errorf("the pack names object %s, which is neither in it nor here: %w", h, record.ErrInvalid)
			} else if err != nil {
				return &ownError{err}
			}
		}
		if kind != plumbing.AnyObject && got != kind {
			return fmt.Errorf("the pack names object %s as a %s, and it is a %s: %w", h, kind, got, record.ErrInvalid)
		}
	}
	return nil
}
