package gitstore

import (
	"errors"
	"fmt"
	"path"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// notesExt ends the name of the file with the notes of a task.
const notesExt = ".notes"

func notesPath(id record.ID) string { return path.Join(id.Dir(), string(id)+notesExt) }

// notesOf reads the notes in a blob; nil for the zero hash.
func notesOf(r objectReader, id record.ID, blob plumbing.Hash) (*record.Notes, error) {
	if blob.IsZero() {
		return nil, nil
	}
	t, b, err := r.Get(blob)
	if err == nil && t != plumbing.BlobObject {
		err = record.ErrCorrupt
	}
	var n *record.Notes
	if err == nil {
		n, err = record.DecodeNotes(b)
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: its notes: %w", id, err)
	}
	return n, nil
}

// knownNotes is notesOf for a state that no pull has checked: notes that are invalid count as none.
func knownNotes(r objectReader, id record.ID, blob plumbing.Hash) (*record.Notes, error) {
	n, err := notesOf(r, id, blob)
	if errors.Is(err, record.ErrInvalid) {
		return nil, nil
	}
	return n, err
}

// Notes returns the notes of a task, nil for none. The error wraps record.ErrInvalid or
// record.ErrCorrupt when they cannot be read.
func (sn *Snapshot) Notes(id record.ID) (*record.Notes, error) {
	folder, err := folderOf(sn.r, sn.root, id)
	if err != nil {
		return nil, err
	}
	return notesOf(sn.r, id, blobOf(folder, string(id)+notesExt))
}

// annotate changes the notes of tasks.
func (t *tx) annotate(c Change) error {
	for _, id := range c.Annotate {
		folder, err := folderOf(t.w, t.root, id)
		if err == nil && blobOf(folder, string(id)+recordExt).IsZero() {
			err = record.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("task %s: %w", id, err)
		}
		present, err := notesOf(t.w, id, blobOf(folder, string(id)+notesExt))
		if err != nil {
			return err
		}
		next, err := c.Edit(id, present.Clone())
		if err != nil {
			return err
		}
		if err := t.putNotes(id, next); err != nil {
			return err
		}
	}
	return nil
}

// putNotes stores the notes of a task; those that are empty have no file.
func (t *tx) putNotes(id record.ID, n *record.Notes) error {
	blob, err := addNotes(t.w, n)
	if err != nil {
		return fmt.Errorf("task %s: %w", id, err)
	}
	t.edits[notesPath(id)] = blob
	return nil
}

// addNotes stores notes, if they can be read again. Empty ones have the zero hash.
func addNotes(w objectWriter, n *record.Notes) (plumbing.Hash, error) {
	if n.IsEmpty() {
		return plumbing.ZeroHash, nil
	}
	b, err := record.EncodeNotes(n)
	if err == nil {
		_, err = record.DecodeNotes(b)
	}
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return w.Add(plumbing.BlobObject, b, "notes"), nil
}

// mergeNotes merges by what was said, not by which side's record is kept.
func (t *threeWay) mergeNotes(id record.ID, base, ours, theirs treeEntry) (treeEntry, error) {
	was, err := knownNotes(t.base, id, base.hash)
	if err != nil {
		return treeEntry{}, err
	}
	a, err := notesOf(t.w, id, ours.hash)
	if err != nil {
		return treeEntry{}, err
	}
	b, err := notesOf(t.w, id, theirs.hash)
	if err != nil {
		return treeEntry{}, err
	}
	blob, err := addNotes(t.w, record.MergeNotes(was, a, b))
	if err != nil || blob.IsZero() {
		return treeEntry{}, err
	}
	return treeEntry{gitformat.ModeFile, string(id) + notesExt, blob}, nil
}

// restored reports whether a side has brought a task back that was cleared.
func (t *threeWay) restored(id record.ID, base, side treeEntry) (bool, error) {
	if base.hash == side.hash || side.hash.IsZero() {
		return false, nil
	}
	was, err := knownNotes(t.base, id, base.hash)
	if err != nil {
		return false, err
	}
	is, err := notesOf(t.w, id, side.hash)
	if err != nil {
		return false, err
	}
	return is.Restored != nil && (was == nil || was.Restored == nil || is.Restored.After(was.Restored.Time)), nil
}

// checkNotes checks the notes of a task that comes from another history.
func (in *validation) checkNotes(id record.ID, h plumbing.Hash) error {
	size, err := in.size(h)
	if err != nil {
		return err
	}
	if size > record.MaxNotes {
		return fmt.Errorf("its notes have %d bytes, and at most %d are allowed: %w", size, record.MaxNotes, record.ErrInvalid)
	}
	n, err := notesOf(in.s.odb, id, h)
	if err == nil && n.IsEmpty() {
		err = fmt.Errorf("its notes are empty: %w", record.ErrInvalid)
	}
	return err
}
