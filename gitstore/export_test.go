package gitstore

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/gitstore/odb"
)

// BootID is bootID for the tests of this package.
var BootID = bootID

// Fsck looks at a commit or tree as those that come are looked at.
func Fsck(kind string, b []byte) error {
	if kind == "commit" {
		return fsckCommit(b)
	}
	_, err := fsckTree(b)
	return err
}

// A Peer is a history as another one reaches it, without a line between.
type Peer struct{ s *Store }

// Peer returns the history as a Source and Sink.
func (s *Store) Peer() *Peer { return &Peer{s} }

// Refs implements Source and Sink.
func (p *Peer) Refs() map[string]plumbing.Hash {
	h, err := p.s.head()
	if err != nil {
		panic(err)
	}
	return map[string]plumbing.Hash{branch: h}
}

// Pack implements Source.
func (p *Peer) Pack(ctx context.Context, want plumbing.Hash, haves []plumbing.Hash) (io.ReadCloser, error) {
	var known plumbing.Hash
	g := newGraph(p.s.odb)
	for _, h := range haves {
		if ok, err := p.s.odb.Has(h); err != nil {
			return nil, err
		} else if ok {
			if ok, err := g.isAncestor(ctx, h, want); err != nil {
				return nil, err
			} else if ok {
				known = h
				break
			}
		}
	}
	news, err := p.s.listNew(ctx, want, known)
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(p.s.odb.WritePack(ctx, w, news.list, nil)) }()
	return r, nil
}

// Update implements Sink.
func (p *Peer) Update(ctx context.Context, ref string, old, next plumbing.Hash, pack func(io.Writer) error) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(pack(w)) }()
	name, err := p.s.odb.Receive(ctx, r, odb.ReceiveOptions{})
	if err != nil {
		return err
	}
	q, err := p.s.lockQueue(ctx)
	if err != nil {
		return err
	}
	defer q.unlock()
	if err := p.s.compareAndSwap(ctx, q, branch, old, next); err != nil {
		return errors.Join(ErrMoved, err)
	}
	return p.s.odb.Unkeep(name)
}

// A Planted is an entry that no qme would write.
type Planted struct {
	Path, Mode, Content string
	Commit              plumbing.Hash // of a submodule
}

// Plant commits entries as they are.
func (s *Store) Plant(ctx context.Context, entries ...Planted) error {
	q, err := s.lockQueue(ctx)
	if err != nil {
		return err
	}
	defer q.unlock()
	head, err := s.head()
	if err != nil {
		return err
	}
	sn, err := s.At(head)
	if err != nil {
		return err
	}
	w := s.odb.NewWriter()
	root := sn.root
	for _, e := range entries {
		h := e.Commit
		if h.IsZero() && e.Content != "" {
			h = w.Add(plumbing.BlobObject, []byte(e.Content), "")
		}
		if root, err = plant(w, root, strings.Split(e.Path, "/"), treeEntry{mode: e.Mode, hash: h}); err != nil {
			return err
		}
	}
	c := newCommit{tree: root, parents: []plumbing.Hash{head}, by: botIdentity, when: epoch, message: "planted\n"}
	return s.publish(ctx, q, w, move{branch, head, addCommit(w, c)})
}

func plant(w objectWriter, root plumbing.Hash, names []string, e treeEntry) (plumbing.Hash, error) {
	entries, err := readTree(w, root)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	entries = slices.Clone(entries)
	i := slices.IndexFunc(entries, func(o treeEntry) bool { return o.name == names[0] })
	if e.name = names[0]; len(names) > 1 {
		var below plumbing.Hash
		if i >= 0 {
			below = entries[i].hash
		}
		h, err := plant(w, below, names[1:], e)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		e = treeEntry{gitformat.ModeDir, names[0], h}
	}
	switch {
	case i >= 0 && e.hash.IsZero():
		entries = slices.Delete(entries, i, i+1)
	case i >= 0:
		entries[i] = e
	default:
		entries = append(entries, e)
	}
	return w.Add(plumbing.TreeObject, encodeTree(entries), ""), nil
}

// NoteAndDie is a writer that dies when it has noted which commit it is about to
// write.
func (s *Store) AnnounceAndDie(commit string) error {
	q, err := s.lockQueue(context.Background())
	if err != nil {
		return err
	}
	defer q.unlock() // as the kernel does
	return q.announce(plumbing.NewHash(commit))
}

// NoteAndGiveUp is a writer that cannot have the lock.
func (s *Store) AnnounceAndRollback(commit string) error {
	q, err := s.lockQueue(context.Background())
	if err != nil {
		return err
	}
	defer q.unlock()
	err = q.announce(plumbing.NewHash(commit))
	q.rollback()
	return err
}
