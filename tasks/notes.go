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
		if err := noSecret(set, append([]string{n.Named()}, n.Tags...)); err != nil {
			return nil, err
		}
		if err := maskNotes(set, before, n); err != nil {
			return nil, fmt.Errorf("task %s: %w", id, err)
		}
		return n, limits(id, before, n)
	}}
	_, err := q.commitChanges(ctx, change)
	if errors.Is(err, record.ErrNotFound) {
		return q.whyNotThere(ids, err)
	}
	return err
}

// maskNotes masks the secrets in notes. A note that was there before, and would become too long, stays
// as it is: it is in the history already. The error wraps record.ErrConflict for another one.
func maskNotes(set *mask.Set, before, n *record.Notes) error {
	for i := range n.Notes {
		one := &n.Notes[i]
		text := set.Text(one.Text, mask.Counts{})
		switch {
		case len(text) <= record.LongestNote:
			one.Text = text
		case !slices.ContainsFunc(before.Notes, func(old record.Note) bool { return old.ID == one.ID && old.Text == one.Text }):
			return fmt.Errorf("with its secrets masked the note has %d bytes, and %d are allowed: %w; keep a longer text in a file", len(text), record.LongestNote, record.ErrConflict)
		}
	}
	return nil
}

// whyNotThere returns a better error for tasks that are not in the history because they run for the
// first time, or wait for that.
func (q *Service) whyNotThere(ids []record.ID, err error) error {
	for _, id := range ids {
		if _, werr := q.Queued(id); werr == nil {
			return fmt.Errorf("task %s waits in the queue, and can only be noted, tagged and named when its first run has ended: %w (\"qme wait %s\" waits for that)", id, record.ErrConflict, id)
		}
		rec, serr := q.Spool.Get(id, 0)
		if serr == nil && rec.Data.Run <= 1 {
			return fmt.Errorf("task %s runs for the first time, and can only be noted, tagged and named when that has ended: %w (\"qme wait %s\" waits for that)", id, record.ErrConflict, id)
		}
	}
	return err
}

// PutNote stores a note on a task, in place of the one with its id if there is one. One without text is
// removed. The error wraps record.ErrConflict for a text that is too long, record.ErrNotFound for
// a note to be removed that is not there, and is otherwise that of Annotate.
func (q *Service) PutNote(ctx context.Context, id record.ID, note record.Note) error {
	if len(note.Text) > record.LongestNote {
		return fmt.Errorf("the note has %d bytes, and %d are allowed: %w; keep a longer text in a file", len(note.Text), record.LongestNote, record.ErrConflict)
	}
	return q.Annotate(ctx, string(id), []record.ID{id}, func(_ record.ID, n *record.Notes) error {
		at := slices.IndexFunc(n.Notes, func(one record.Note) bool { return one.ID == note.ID })
		switch {
		case at >= 0 && note.Text == "":
			n.Notes = slices.Delete(n.Notes, at, at+1)
		case at >= 0:
			n.Notes[at] = note
		case note.Text == "":
			return NoSuchNote(id, note.ID)
		default:
			n.Notes = append(n.Notes, note)
		}
		return nil
	})
}

// noSecret returns an error if a name or tag has a secret, which cannot be masked there.
func noSecret(set *mask.Set, words []string) error {
	for _, word := range words {
		counts := mask.Counts{}
		if set.Text(word, counts); len(counts) > 0 {
			return fmt.Errorf("a tag or name has the value of the secret %s: %w", slices.Sorted(maps.Keys(counts))[0], record.ErrConflict)
		}
	}
	return nil
}

// NoSuchNote returns the error for a note that a task does not have, which wraps record.ErrNotFound.
func NoSuchNote(id record.ID, note string) error {
	return fmt.Errorf("task %s has no note %q: %w; \"qme note %s\" lists those that it has", id, note, record.ErrNotFound, id)
}

// Tag adds tags to tasks and removes others, in one commit. The error wraps record.ErrInvalid for what
// has not the form of a tag, and is otherwise that of Annotate.
func (q *Service) Tag(ctx context.Context, ids []record.ID, add, remove []string) error {
	what := string(ids[0])
	if len(ids) > 1 {
		what = fmt.Sprintf("%d tasks", len(ids))
	}
	for _, tag := range add {
		what += " +" + tag
	}
	for _, tag := range remove {
		what += " -" + tag
	}
	for _, tag := range slices.Concat(add, remove) {
		if err := record.CheckTag(tag); err != nil {
			return err
		}
	}
	return q.Annotate(ctx, what, ids, func(_ record.ID, n *record.Notes) error {
		n.Tags = slices.DeleteFunc(append(n.Tags, add...), func(tag string) bool { return slices.Contains(remove, tag) })
		return nil
	})
}

// Note returns a note that the user writes now.
func (q *Service) Note(text string) record.Note {
	return record.Note{ID: record.NewNoteID(), At: record.Now(), By: q.Settings.User, Text: text}
}
