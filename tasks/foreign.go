package tasks

import (
	"fmt"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks/given"
)

// A ForeignError says whose command it is that was not given in this home, and that nobody
// has agreed to run here. Its texts are fit for a terminal. It is a record.ErrConflict.
type ForeignError struct {
	User      string `json:"user"`
	Host      string `json:"host"`
	Directory string `json:"directory"`
	Command   string `json:"command"`
	Digest    string `json:"digest"` // of what would be run
}

// Foreign returns whose command a record holds, and what it would do.
func Foreign(rec *record.Record) *ForeignError {
	d := rec.Data
	return &ForeignError{safe.Bounded(d.User), safe.Bounded(d.Host), safe.Bounded(d.PWD), safe.Bounded(CommandLine(rec)), given.Digest(rec)}
}

// Error implements error.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("this command was not given in this home; by its record it is of %s on %s, in %s: %s", e.User, e.Host, e.Directory, e.Command)
}

// Is makes the error a record.ErrConflict.
func (e *ForeignError) Is(target error) bool { return target == record.ErrConflict }

// CommandLine returns the command of a record as it would be run again: the line that stands
// beside it in the record may be anything.
func CommandLine(rec *record.Record) string {
	if len(rec.Data.Cmd) == 0 {
		return rec.Command
	}
	return executor.Quote(rec.Data.Cmd)
}
