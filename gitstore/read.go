package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// Snapshot returns the history as of a commit given by its full name; "" is now.
func (s *Store) Snapshot(version string) (*Snapshot, error) {
	if version == "" {
		return s.Latest()
	}
	if !plumbing.IsHash(version) {
		return nil, fmt.Errorf("commit %.50q: %w", version, record.ErrInvalid)
	}
	return s.At(plumbing.NewHash(version))
}

// Get returns a task's record as of a commit; "" means the newest. The error wraps
// record.ErrNotFound when there is no such task, and record.ErrInvalid or
// record.ErrCorrupt when it cannot be read.
func (s *Store) Get(version string, id record.ID) (*record.Record, error) {
	sn, err := s.Snapshot(version)
	if err != nil {
		return nil, err
	}
	return sn.Get(id)
}

// Stream returns the exact bytes of a record's stream, as far as they are stored.
// version is the commit from which the record was read.
func (s *Store) Stream(version string, rec *record.Record, name record.StreamName) (io.ReadCloser, error) {
	sn, err := s.Snapshot(version)
	if err != nil {
		return nil, err
	}
	return sn.Stream(rec, name)
}

// OtherRuns returns the commits with those runs of a task, as of a commit, to which the
// chain of data.previous does not lead: runs of other machines that a merge brought. "" is now.
func (s *Store) OtherRuns(version string, id record.ID) ([]string, error) {
	sn, err := s.Snapshot(version)
	if err != nil {
		return nil, err
	}
	commits, err := readRuns(s.odb, sn.root, runsPath(id))
	return names(commits), err
}

func names(commits []plumbing.Hash) []string {
	list := make([]string, len(commits))
	for i, h := range commits {
		list[i] = h.String()
	}
	return list
}

// MergeBase returns a best common ancestor of two commits, "" when there is none.
func (s *Store) MergeBase(ctx context.Context, a, b string) (string, error) {
	common, err := newGraph(s.odb).mergeBases(ctx, plumbing.NewHash(a), plumbing.NewHash(b))
	if err != nil || len(common) == 0 {
		return "", err
	}
	return common[0].String(), nil
}

// IsAncestor reports whether a commit is in the history of another one, or is that one itself.
// It is false for a commit that is not there.
func (s *Store) IsAncestor(ctx context.Context, commit, of string) (bool, error) {
	base, err := s.MergeBase(ctx, commit, of)
	if errors.Is(err, record.ErrCorrupt) {
		return false, nil // it is of another history
	}
	return base == commit, err
}
