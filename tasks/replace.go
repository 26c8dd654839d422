package tasks

import (
	"fmt"
	"maps"
	"slices"

	"qme/executor"
	"qme/record"
	"qme/tasks/waiting"
)

// Replace makes c the command of a task that waits, in its entry and its record, which the caller has to write. The command
// is noted as given here. The error wraps record.ErrConflict if c belongs to another executor than the task, whose id names
// that.
func (q *Service) Replace(c executor.Command, e *waiting.Entry, rec *record.Record) error {
	if c.Executor != e.Executor {
		return fmt.Errorf("task %s is one of the executor %s, and the command belongs to %s; cancel the task and add the command: %w", rec.UID, e.Executor, c.Executor, record.ErrConflict)
	}
	own := q.apart(nil)
	m := own.masking()
	m.carried = slices.Collect(maps.Keys(rec.Data.Masked))
	e.Cmd, e.Line = allBytes(c.Argv), []byte(c.Line)
	rec.Command, rec.Data.Cmd, rec.Data.Masked = valid(c.Line), validAll(c.Argv), nil
	git, finding := own.Settings.GitState(string(e.Dir))
	rec.Data.Git = git
	own.lookAtCode(rec, e, finding)
	m.begin(rec, c.Argv)
	m.software(rec.Data.Software)
	m.note(rec)
	q.noteGiven(rec)
	return nil
}
