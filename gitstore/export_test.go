package gitstore

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"
)

// BootID is bootID for the tests of this package.
var BootID = bootID

// NoteAndDie is a writer that dies when it has noted which commit it is about to
// write.
func (s *Store) NoteAndDie(commit string) error {
	q, err := s.lockQueue(context.Background())
	if err != nil {
		return err
	}
	defer q.unlock() // as the kernel does
	return q.intend(plumbing.NewHash(commit))
}

// NoteAndGiveUp is a writer that cannot have the lock.
func (s *Store) NoteAndGiveUp(commit string) error {
	q, err := s.lockQueue(context.Background())
	if err != nil {
		return err
	}
	defer q.unlock()
	err = q.intend(plumbing.NewHash(commit))
	q.undo()
	return err
}
