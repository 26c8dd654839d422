package gitstore

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// restore brings tasks back that were cleared. Their notes say when, so that a merge with a history
// in which they are cleared keeps them.
func (t *tx) restore(c Change) error {
	for _, one := range c.Restore {
		root, err := treeOf(t.w, plumbing.NewHash(one.Before))
		if err == nil {
			err = t.restoreTask(one, root)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restoreTask brings a task back from a tree.
func (t *tx) restoreTask(one record.Clearing, root plumbing.Hash) error {
	id := one.ID
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
	also := make([]plumbing.Hash, len(one.Also))
	for i, commit := range one.Also {
		also[i] = plumbing.NewHash(commit)
	}
	if notes, err = withNotesOf(context.Background(), newGraph(t.w), id, plumbing.NewHash(one.Before), also, notes); err != nil {
		return err
	}
	at := t.when.Round(0).Truncate(time.Microsecond)
	if last := notes.Restored; last != nil && !at.After(last.Time) { // by a clock that is ahead
		at = last.Add(time.Microsecond)
		if !record.ValidTime(at) { // no later one can be written
			at = last.Time
		}
	}
	notes.Restored = &record.Time{Time: at}
	return t.putNotes(id, notes)
}

// withNotesOf returns the notes of a task, as of a commit, with what was said of it in others before a merge
// has removed it.
func withNotesOf(ctx context.Context, g *graph, id record.ID, of plumbing.Hash, others []plumbing.Hash, notes *record.Notes) (*record.Notes, error) {
	for _, other := range others {
		common, err := g.mergeBases(ctx, of, other)
		if err != nil {
			return nil, err
		}
		var base, theirs *record.Notes
		if len(common) > 0 {
			if base, err = notesAt(g.r, common[0], id); err != nil {
				return nil, err
			}
		}
		if theirs, err = notesAt(g.r, other, id); err != nil {
			return nil, err
		}
		notes = record.MergeNotes(base, notes, theirs)
	}
	return notes.Clone(), nil
}

// notesAt returns the notes of a task as of a commit; nil for none, or none that can be read.
func notesAt(r objectReader, commit plumbing.Hash, id record.ID) (*record.Notes, error) {
	root, err := treeOf(r, commit)
	if err != nil {
		return nil, err
	}
	folder, err := folderOf(r, root, id)
	if err != nil {
		return nil, err
	}
	return knownNotes(r, id, blobOf(folder, string(id)+notesExt))
}

// Restorable returns those of the tasks that can be brought back, with the commits whose notes a merge has
// removed with them, and why the others cannot: their files are not those of a task, as a pull would
// refuse them.
func (s *Store) Restorable(ctx context.Context, list []record.Clearing) (good []record.Clearing, bad []error, err error) {
	head, err := s.head()
	if err != nil {
		return nil, nil, err
	}
	in := &validation{s: s, ctx: ctx, g: newGraph(s.odb)}
	merges := map[string][]*commitNode{}
	for _, one := range list {
		if why := in.restorable(one); why != nil {
			bad = append(bad, fmt.Errorf("task %s, as it was when it was cleared: %w", one.ID, why))
			continue
		}
		if _, known := merges[one.Before]; !known {
			since, err := in.g.since(ctx, head, plumbing.NewHash(one.Before))
			if err != nil {
				return nil, nil, err
			}
			merges[one.Before] = slices.DeleteFunc(since, func(c *commitNode) bool { return len(c.Parents) < 2 })
		}
		if one.Also, err = in.removedBy(merges[one.Before], one); err != nil {
			return nil, nil, err
		}
		good = append(good, one)
	}
	return good, bad, nil
}

// removedBy returns the commits that had a task and whose merge with another one does not.
func (in *validation) removedBy(merges []*commitNode, one record.Clearing) (also []string, err error) {
	has := func(tree plumbing.Hash) (bool, error) {
		e, err := lookup(in.s.odb, tree, one.ID.Path())
		return e != nil, err
	}
	for _, m := range merges {
		if there, err := has(m.Tree); err != nil || there {
			if err != nil {
				return nil, err
			}
			continue
		}
		for _, parent := range m.Parents {
			tree, err := treeOf(in.s.odb, parent)
			if err != nil {
				return nil, err
			}
			if there, err := has(tree); err != nil {
				return nil, err
			} else if there && parent.String() != one.Before {
				also = append(also, parent.String())
			}
		}
	}
	return also, nil
}

// restorable checks the files of a task that was cleared.
func (in *validation) restorable(one record.Clearing) error {
	root, err := treeOf(in.s.odb, plumbing.NewHash(one.Before))
	if err != nil {
		return err
	}
	entries, err := folderOf(in.s.odb, root, one.ID)
	if err != nil {
		return err
	}
	files := byTask(entries)[string(one.ID)]
	if files.blob().IsZero() {
		return record.ErrNotFound
	}
	if err := in.checkPlace(one.ID.Dir(), string(one.ID), files); err != nil {
		return err
	}
	return in.checkTask(one.ID, files)
}
