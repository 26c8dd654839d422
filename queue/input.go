package queue

import (
	"fmt"

	"qme/record"
)

// inputAgain refuses a rerun that would wait at the keyboard without a word for what the
// task has read from a pipe or a file. The error wraps record.ErrConflict.
func (q *Queue) inputAgain(old *record.Record) error {
	if q.Settings.Streams == nil || old.Data.Stdin == nil {
		return nil
	}
	if _, now := q.Settings.Streams(); now == nil || now.Kind != "terminal" {
		return nil
	}
	var from string
	switch in := old.Data.Stdin; in.Kind {
	case "pipe", "socket":
		from = "a " + in.Kind
	case "file":
		from = "a file"
		if in.Path != "" {
			from = "the file " + in.Path
		}
	default:
		return nil
	}
	return fmt.Errorf("task %s: its input came from %s and was not kept; give it again: qme rerun %s <FILE, or qme rerun --stdin FILE %s: %w",
		old.UID, from, old.UID, old.UID, record.ErrConflict)
}
