package tasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"qme/gitstore"
	"qme/internal/mask"
	"qme/record"
)

// Annotate changes the notes of tasks in one commit, for which what is the subject. edit changes those
// of one task; it may be called several times. Secrets in texts that it adds are masked, and what
// changes nothing makes no commit. The error wraps record.ErrConflict for a task whose first run
// has not ended.
func (q *Service) Annotate(ctx context.Context, what string, ids []record.ID, edit func(record.ID, *record.Notes) error) error {
	var set *mask.Set
	if q.Settings.Mask != nil {
		set = q.Settings.Mask()
	}
	limits := func(id record.ID, before, after *record.Notes) error {
		text := func(n *record.Notes) (size int) {
			for _, one := range n.Notes {
				size += len(one.Text)
			}
			return size
		}
		more := len(after.Tags) > max(record.MostTags, len(before.Tags)) || len(after.Notes) > max(record.MostNotes, len(before.Notes)) || text(after) > max(record.MostText, text(before))
		if more {
			return fmt.Errorf("task %s: this would be more than %d tags, %d notes, or %d KiB of notes: %w; keep longer texts in files", id, record.MostTags, record.MostNotes, record.MostText>>10, record.ErrConflict)
		}
		return nil
	}
	change := gitstore.Change{Verb: "note", What: set.Text(what, mask.Counts{}), Annotate: ids, Edit: func(id record.ID, n *record.Notes) (*record.Notes, error) {
		before := n.Clone()
		if err := edit(id, n); err != nil {
			return nil, err
		}
		for _, word := range append([]string{n.Named()}, n.Tags...) {
			counts := mask.Counts{}
			if set.Text(word, counts); len(counts) > 0 {
				return nil, fmt.Errorf("a tag or name has the value of the secret %s: %w", slices.Sorted(maps.Keys(counts))[0], record.ErrConflict)
			}
		}
		for i := range n.Notes {
			n.Notes[i].Text = set.Text(n.Notes[i].Text, mask.Counts{})
		}
		return n, limits(id, before, n)
	}}
	_, err := q.commitChanges(ctx, change)
	if errors.Is(err, record.ErrNotFound) {
		return q.whyNotThere(ids, err)
	}
	return err
}

// whyNotThere returns a better error for tasks that are not in the history because they run for the
// first time.
func (q *Service) whyNotThere(ids []record.ID, err error) error {
	for _, id := range ids {
		rec, serr := q.Spool.Get(id, 0)
		if serr == nil && rec.Data.Run <= 1 {
			return fmt.Errorf("task %s runs for the first time, and is noted when that has ended: %w (\"qme wait %s\" waits for it)", id, record.ErrConflict, id)
		}
	}
	return err
}

// Note returns a note that the user writes now.
func (q *Service) Note(text string) record.Note {
	return record.Note{ID: record.NewNoteID(), At: record.Now(), By: q.Settings.User, Text: text}
}
