package gitstore

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// A Snapshot is the history as of one commit. It does not change.
type Snapshot struct {
	store  *Store
	commit plumbing.Hash
	root   plumbing.Hash
	r      objectReader
}

// Commit names the commit.
func (sn *Snapshot) Commit() string { return sn.commit.String() }

// Latest returns the history as it is now.
func (s *Store) Latest() (*Snapshot, error) {
	head, err := s.head()
	if err != nil {
		return nil, err
	}
	return s.At(head)
}

// At returns the history as of a commit. The error wraps record.ErrNewerFormat when a
// later version of qme wrote it.
func (s *Store) At(commit plumbing.Hash) (*Snapshot, error) {
	tree, err := treeOf(s.odb, commit)
	if err != nil {
		return nil, err
	}
	snap := &Snapshot{store: s, commit: commit, root: tree, r: s.odb}
	e, err := lookup(s.odb, tree, "format")
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fmt.Errorf("commit %s has no file \"format\", so it is %w", commit, errNoHistory)
	}
	_, b, err := s.odb.Get(e.hash)
	if err != nil {
		return nil, err
	}
	return snap, checkFormat(b)
}

// treeOf returns the tree of a commit. The rest of the commit may be of any form, as in git:
// Check and Fetch are strict, and what is there can still be read and continued.
func treeOf(r objectReader, h plumbing.Hash) (plumbing.Hash, error) {
	b, err := commitObject(r, h)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	tree, _, ok := gitformat.NamedObject(b, "tree ")
	if !ok || tree.IsZero() {
		return plumbing.ZeroHash, fmt.Errorf("commit %s does not begin with the name of its tree: %w", h, record.ErrCorrupt)
	}
	return tree, nil
}

// errNoHistory says that a repository is one of something else.
var errNoHistory = fmt.Errorf("no task history: %w", record.ErrInvalid)

// Get returns a task's record with its notes. The error wraps record.ErrNotFound when there is
// no such task, and record.ErrInvalid or record.ErrCorrupt when it cannot be read.
func (sn *Snapshot) Get(id record.ID) (*record.Record, error) {
	folder, err := folderOf(sn.r, sn.root, id)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	e := Entry{ID: id, blob: blobOf(folder, string(id)+recordExt), notes: blobOf(folder, string(id)+notesExt), r: sn.r}
	if e.blob.IsZero() {
		return nil, fmt.Errorf("task %s: %w", id, record.ErrNotFound)
	}
	return e.Record()
}

// folderOf returns the entries of the folder in which a task is, none if there is no such folder.
func folderOf(r objectReader, root plumbing.Hash, id record.ID) ([]treeEntry, error) {
	e, err := lookup(r, root, id.Dir())
	if err != nil || e == nil || !e.isDir() {
		return nil, err
	}
	return readTree(r, e.hash)
}

func readRecord(r objectReader, id record.ID, h plumbing.Hash, decode func([]byte) (*record.Record, error)) (*record.Record, error) {
	t, b, err := r.Get(h)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	if t != plumbing.BlobObject {
		return nil, fmt.Errorf("task %s is a %s, not a file: %w", id, t, record.ErrCorrupt)
	}
	rec, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	if rec.UID != id {
		return nil, fmt.Errorf("task %s: the file holds %s: %w", id, rec.UID, record.ErrInvalid)
	}
	return rec, nil
}

// filePath is the path of the file of a stream or part.
func filePath[N record.StreamName | record.PartName](id record.ID, name N) string {
	return path.Join(id.Dir(), string(id)+extOf(name))
}

// Stream returns the exact bytes of a record's stream, as far as they are stored.
func (sn *Snapshot) Stream(rec *record.Record, name record.StreamName) (io.ReadCloser, error) {
	lines, stored := name.Of(rec)
	if stored == nil {
		return io.NopCloser(strings.NewReader(strings.Join(lines, ""))), nil
	}
	e, err := lookup(sn.r, sn.root, filePath(rec.UID, name))
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fmt.Errorf("task %s: its file .%s is missing: %w", rec.UID, name, record.ErrCorrupt)
	}
	r, size, err := sn.store.odb.Open(e.hash)
	if err == nil && size != stored.Stored() {
		err = fmt.Errorf("task %s: its file .%s has %d bytes, the record says %d: %w", rec.UID, name, size, stored.Stored(), record.ErrCorrupt)
		_ = r.Close()
	}
	return r, err
}
