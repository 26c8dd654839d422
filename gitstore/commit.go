package gitstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/odb"
)

// Commit makes one commit for each of the changes, in their order, and returns
// the newest one. When it returns without an error all of them are on disk;
// otherwise none is. A change that changes nothing makes no commit. The error is
// ErrBusy when a lock stays taken, that of ctx when it ends first, and that of a
// Build function that failed.
func (s *Store) Commit(ctx context.Context, changes ...Change) (string, error) {
	q, err := s.lockQueue(ctx)
	if err != nil {
		return "", err
	}
	defer q.unlock()
	for attempt := 0; ; attempt++ {
		h, err := s.tryCommit(ctx, q, changes)
		if err == nil {
			return h.String(), nil
		}
		if !errors.Is(err, errMoved) {
			return "", err
		}
		// Only writers that do not know the queue, such as git, or those of
		// other machines come in between, so this ends soon.
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(min(time.Duration(attempt)*time.Millisecond, 50*time.Millisecond)):
		}
	}
}

// tryCommit builds the changes on top of the branch and moves it there.
func (s *Store) tryCommit(ctx context.Context, q *queueLock, changes []Change) (plumbing.Hash, error) {
	head, err := s.head()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	sn, err := s.At(head)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	w := s.odb.NewWriter()
	next, root := head, sn.root
	home := map[string]homePart{}
	for _, c := range changes {
		t := &tx{w: w, parent: next, root: root, identity: s.Identity(), edits: map[string]plumbing.Hash{}, home: home}
		if c.When.IsZero() {
			c.When = time.Now()
		}
		if err := t.apply(c); err != nil {
			return plumbing.ZeroHash, err
		}
		if next, root, err = t.finish(); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	if next == head {
		return head, nil
	}
	oldHome, nextHome, err := s.commitHome(w, home, newCommit{by: s.Identity(), when: time.Now(), message: "keep: what stays in this home\n"})
	if err != nil {
		return plumbing.ZeroHash, err
	}
	// First the parts: a record without them would not be completed later.
	return next, s.publish(ctx, q, w, move{homeRef, oldHome, nextHome}, move{branch, head, next})
}

// A move sets a reference from one commit to another one.
type move struct {
	ref       string
	old, next plumbing.Hash
}

// publish writes the new objects, then moves the references in their order.
func (s *Store) publish(ctx context.Context, q *queueLock, w *odb.Writer, moves ...move) error {
	pack, err := w.Flush()
	if err != nil {
		return err
	}
	moved := false
	for _, m := range moves {
		if m.old == m.next {
			continue
		}
		if err = s.compareAndSwap(ctx, q, m.ref, m.old, m.next); err != nil {
			break
		}
		moved = true
	}
	if moved || errors.Is(err, errUnsure) || !q.file.Locked {
		// The history may need the pack, and git may have added commits to it. Without
		// the queue another writer may even have made the same commit, in the same
		// pack. Keeping it in vain costs a few hundred bytes.
		if kerr := s.odb.Unkeep(pack); kerr != nil {
			s.warn(fmt.Sprintf("%v; the pack is left out of packing for a while", kerr))
		}
		return err
	}
	return errors.Join(err, s.odb.Discard(pack))
}
