package tasks

import (
	"errors"

	"qme/record"
	"qme/tasks/given"
)

// A NoLastError says that there is no last task. It is a record.ErrNotFound.
type NoLastError struct {
	Empty bool // there are no tasks at all
}

// Error implements error.
func (e *NoLastError) Error() string {
	if e.Empty {
		return "no task is recorded yet"
	}
	return "there is no last task: none of those that are here was given in this home by you"
}

// Is makes the error a record.ErrNotFound.
func (e *NoLastError) Is(target error) bool { return target == record.ErrNotFound }

// lastTries is how many missing tasks are looked up one by one.
const lastTries = 16

// last returns the task that this user last gave in this home: at top level or, in a process
// started by a task's command, within that task. Tasks that were pulled or refreshed do not
// count, nor do the users and times in records. The error is a NoLastError when there is none.
func (q *Service) last() (*record.Record, error) {
	gone := map[record.ID]bool{}
	var there map[record.ID]bool
	for line, err := range q.Given.Lines(q.Settings.Within) {
		if err != nil {
			return nil, err
		}
		if gone[line.ID] || there != nil && !there[line.ID] {
			continue
		}
		rec, err := q.task(line.ID)
		if err == nil || !errors.Is(err, record.ErrNotFound) {
			return rec, err
		}
		gone[line.ID] = true
		// After "clear", any number of given tasks may be missing.
		if len(gone) == lastTries {
			if there, err = q.allIDs(); err != nil {
				return nil, err
			}
			if len(there) == 0 {
				break
			}
		}
	}
	return nil, q.noLast()
}

func (q *Service) allIDs() (map[record.ID]bool, error) {
	all := map[record.ID]bool{}
	v, err := q.View()
	if err != nil {
		return nil, err
	}
	for id, err := range v.IDs(record.Range{}) {
		if err != nil {
			return nil, err
		}
		all[id] = true
	}
	return all, nil
}

func (q *Service) noLast() error {
	v, err := q.View()
	if err != nil {
		return err
	}
	for _, err := range v.IDs(record.Range{}) {
		if err != nil {
			return err
		}
		return &NoLastError{}
	}
	return &NoLastError{Empty: true}
}

// noteGiven notes that the user has given the command of a record. A failure is only a warning.
func (q *Service) noteGiven(recs ...*record.Record) {
	lines := make([]given.Line, 0, len(recs))
	for _, rec := range recs {
		lines = append(lines, given.Of(rec, q.Settings.Within))
	}
	if err := q.Given.Add(lines...); err != nil {
		q.Warn("this task will not be known as one that you gave: %v", err)
	}
}

// confirm asks whether the task of a record may be run again as another record says, which is the same unless its command is changed, if
// opts.Confirm is set.
func (q *Service) confirm(rec, as *record.Record, opts RunOptions) error {
	if opts.Confirm == nil {
		return nil
	}
	own, err := q.Own(rec)
	if err != nil {
		q.Warn("whether you gave this command is not known: %v", err)
	}
	return opts.Confirm(as, own)
}

// Own reports whether this user has given the command of a record in this home. It returns
// false if this cannot be read.
func (q *Service) Own(rec *record.Record) (bool, error) { return q.Given.Has(rec) }
