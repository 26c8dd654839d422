package mirror

import (
	"reflect"

	"qme/record"
)

// tagsTable returns the table of the tags of tasks, which has nothing but its key.
func tagsTable(task column) table {
	return tableOfTasks("tags", 3, task, "tag")
}

// notesTable returns the table of the notes on tasks. Their ids are unique within a task.
func notesTable(task column) table {
	return tableOfTasks("notes", 3, task, "id", "written", "username", "text", "edited")
}

func tableOfTasks(name string, keys int, task column, columns ...string) table {
	t := table{name: name, keys: keys, since: notesVersion, columns: []column{{name: task.name, since: notesVersion}}}
	for _, c := range columns {
		t.columns = append(t.columns, column{name: c, since: notesVersion})
	}
	return t
}

func name(r *record.Record) any {
	if n := r.Notes.Named(); n != "" {
		return n
	}
	return nil
}

// A said is what people say of a task: the rows of its tags and notes.
type said struct{ tags, notes [][]any }

// saidOf returns what people say of a task; nil if the mirror has it, since it was no different in old, the
// record that is mirrored. old is nil for none.
func (f differ) saidOf(old, rec *record.Record) *said {
	var before *record.Notes
	if old != nil {
		before = old.Notes
	}
	if before.IsEmpty() && rec.Notes.IsEmpty() || reflect.DeepEqual(before, rec.Notes) {
		return nil
	}
	s, id, n := new(said), string(rec.UID), rec.Notes.Clone()
	for _, tag := range n.Tags {
		s.tags = append(s.tags, []any{f.home, id, text(tag, maxName)})
	}
	for _, one := range n.Notes {
		var edited any
		if one.Edited != nil {
			edited = f.d.timeOf(one.Edited.Time)
		}
		s.notes = append(s.notes, []any{f.home, id, one.ID, f.d.timeOf(one.At.Time), text(one.By, maxName), text(one.Text, maxText), edited})
	}
	return s
}

// flushSaid writes the buffered tags and notes in place of those that the tasks had.
func (w *writer) flushSaid() error {
	if !w.anew {
		if err := w.removeOf(w.noted, "tags", "notes"); err != nil {
			return err
		}
	}
	if err := w.insertAll(&w.tables.tags, w.tagRows); err != nil {
		return err
	}
	err := w.insertAll(&w.tables.notes, w.noteRows)
	w.noted, w.tagRows, w.noteRows, w.noteBytes = w.noted[:0], w.tagRows[:0], w.noteRows[:0], 0
	return err
}
