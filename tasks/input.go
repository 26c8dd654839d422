package tasks

import (
	"fmt"
	"io"

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

// An inputCopy keeps what has passed of standard input, or its beginning. It never fails.
type inputCopy struct {
	limit int64
	b     []byte
}

// Write implements io.Writer.
func (c *inputCopy) Write(b []byte) (int, error) {
	c.b = append(c.b, b[:min(int64(len(b)), c.limit-int64(len(c.b)))]...)
	return len(b), nil
}

const (
	// shortInput is the size up to which an input may be a password, which could be guessed from
	// its hash.
	shortInput = 64
	// secretsUpTo is how much of an input is searched for secrets. With more than that before a
	// secret, its hash tells nothing about it.
	secretsUpTo = 64 << 10
)

// watchInput returns what gets a copy of standard input, or nil if nothing is to be recorded of it.
func (r *run) watchInput() io.Writer {
	set := r.q.Settings
	if in := r.rec.Data.Stdin; in == nil || in.Kind != "pipe" || !set.HashStdin {
		return nil
	}
	r.input = &inputCopy{limit: max(secretsUpTo, min(set.KeepStdin, record.MaxPart))}
	return r.input
}

// passed records what has passed of a standard input that is a pipe.
func (r *run) passed(res *capture.Result) {
	in := r.rec.Data.Stdin
	if in == nil || r.input == nil {
		return
	}
	in.LeftAlone = res.InputLeft
	p := res.Passed
	if p == nil {
		return
	}
	in.Size, in.Whole = p.Size, p.Whole
	if p.SHA256 == "" || r.mask.finds(r.input.b) {
		return
	}
	if p.Size > shortInput {
		in.SHA256 = p.SHA256
	}
	if p.Whole && p.Size > 0 && p.Size <= min(r.q.Settings.KeepStdin, record.MaxPart) {
		r.part(record.PartStdin, r.input.b)
	}
}
