package tasks

import (
	"fmt"

	"qme/executor/capture"
	"qme/record"
)

// An InputError says that a task is not run again since what it has read is to be given
// again. It is a record.ErrConflict.
type InputError struct {
	ID   record.ID
	From string // where its input came from, as in "a pipe"
}

// Error implements error.
func (e *InputError) Error() string {
	return fmt.Sprintf("task %s: its input came from %s and was not kept", e.ID, e.From)
}

// Is makes the error a record.ErrConflict.
func (e *InputError) Is(target error) bool { return target == record.ErrConflict }

// inputAgain refuses a rerun that would wait at the keyboard without a word for what the
// task has read from a pipe or a file. The error is an InputError.
func (q *Service) inputAgain(old *record.Record) error {
	if q.Settings.Stdin == nil || old.Data.Stdin == nil || capture.Stdin(q.Settings.Stdin).Kind != "terminal" {
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
	return &InputError{old.UID, from}
}
