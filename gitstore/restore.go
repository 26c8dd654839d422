package gitstore

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// restore brings tasks back that were cleared. Their notes say when, so that a merge with a history
// in which they are cleared keeps them.
func (t *tx) restore(c Change) error {
	roots := map[string]plumbing.Hash{}
	for _, one := range c.Restore {
		root, known := roots[one.Before]
		if !known {
			var err error
			if root, err = treeOf(t.w, plumbing.NewHash(one.Before)); err != nil {
				return err
			}
			roots[one.Before] = root
		}
		if err := t.restoreTask(one.ID, root); err != nil {
			return err
		}
	}
	return nil
}

// restoreTask brings a task back from a tree.
func (t *tx) restoreTask(id record.ID, root plumbing.Hash) error {
	if e, err := lookup(t.w, t.root, id.Path()); err != nil {
		return err
	} else if e != nil {
		return fmt.Errorf("task %s is there: %w", id, record.ErrConflict)
	}
	entries, err := folderOf(t.w, root, id)
	if err != nil {
		return err
	}
	files := byTask(entries)[string(id)]
	if files.blob().IsZero() {
		return fmt.Errorf("task %s: %w", id, record.ErrNotFound)
	}
	for ext, e := range files {
		if _, known := fileKinds[ext]; known && strings.HasPrefix(e.name, string(id)+".") {
			t.edits[path.Join(id.Dir(), e.name)] = e.hash
		}
	}
	notes, err := notesOf(t.w, id, files[notesExt].hash)
	if err != nil {
		return err
	}
	notes = notes.Clone()
	notes.Restored = &record.Time{Time: t.when.Round(0).Truncate(time.Microsecond)}
	return t.putNotes(id, notes)
}
