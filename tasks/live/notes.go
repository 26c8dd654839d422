package live

import (
	"context"
	"slices"

	"qme/record"
	"qme/tasks"
)

// AddNote writes a note on a task. Secrets in it are masked.
func (h *Home) AddNote(ctx context.Context, id record.ID, text string) error {
	return h.change(func(q *tasks.Service) error { return q.PutNote(ctx, id, q.Note(text)) })
}

// EditNote changes the text of a note. The error wraps record.ErrNotFound if the task has no such note.
func (h *Home) EditNote(ctx context.Context, id record.ID, note, text string) error {
	return h.change(func(q *tasks.Service) error {
		v, err := q.Find(string(id))
		if err != nil {
			return err
		}
		notes := v.Record.Notes.Clone().Notes
		at := slices.IndexFunc(notes, func(one record.Note) bool { return one.ID == note })
		if at < 0 {
			return tasks.NoSuchNote(id, note)
		}
		edited := notes[at]
		if edited.Text == text {
			return nil
		}
		now := record.Now()
		edited.Text, edited.Edited = text, &now
		return q.PutNote(ctx, id, edited)
	})
}

// RemoveNote removes a note. The error wraps record.ErrNotFound if the task has no such note.
func (h *Home) RemoveNote(ctx context.Context, id record.ID, note string) error {
	return h.change(func(q *tasks.Service) error { return q.PutNote(ctx, id, record.Note{ID: note}) })
}

// Tag adds tags to a task and removes others: see tasks.Service.Tag.
func (h *Home) Tag(ctx context.Context, id record.ID, add, remove []string) error {
	return h.change(func(q *tasks.Service) error { return q.Tag(ctx, []record.ID{id}, add, remove) })
}

// Name gives a task a name, "" for none: see tasks.Service.Name.
func (h *Home) Name(ctx context.Context, id record.ID, name string, move bool) error {
	return h.change(func(q *tasks.Service) error { return q.Name(ctx, id, name, move) })
}

// change changes the history, and starts what follows a change.
func (h *Home) change(do func(*tasks.Service) error) error {
	q := h.service()
	if err := do(q); err != nil {
		return err
	}
	if err := q.Follow(tasks.AfterChange); err != nil {
		q.Warn("%v", err)
	}
	return nil
}
