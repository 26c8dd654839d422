package tasks

import (
	"fmt"

	"qme/executor/capture"
	"qme/record"
)

// An InputError says that a task is not rerun because the user has to supply its input again.
// It is a record.ErrConflict.
type InputError struct {
	ID   record.ID
	From string // source of the input, such as "a pipe"
}

// Error implements error.
func (e *InputError) Error() string {
	return fmt.Sprintf("task %s: its input came from %s and was not kept", e.ID, e.From)
}

// Is makes the error a record.ErrConflict.
func (e *InputError) Is(target error) bool { return target == record.ErrConflict }

// inputAgain refuses a rerun that would silently wait for keyboard input although the task read
// a pipe or a file before. The error is an InputError.
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

// passed records what has passed of a standard input that is a pipe.
func (r *run) passed(res *capture.Result) {
	in := r.rec.Data.Stdin
	if in == nil || in.Kind != "pipe" {
		return
	}
	in.LeftAlone = res.InputLeft
	if p := res.Passed; p != nil {
		in.Size, in.SHA256, in.Whole = p.Size, p.SHA256, p.Whole
	}
}
