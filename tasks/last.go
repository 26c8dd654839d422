package tasks

import (
	"errors"

	"qme/record"
	"qme/tasks/given"
)

// A NoLastError says that there is no last task. It is a record.ErrNotFound.
type NoLastError struct {
	Empty bool // there is no task at all
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

// lastTries is how many tasks that are gone are looked up one by one.
const lastTries = 16

// last returns the task that this user gave last in this home: at top level, or, in a
// process that a task's command has started, within that task. What was pulled or
// refreshed does not count, nor what records say of users and times. The error is a
// NoLastError when there is none.
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
		// After "clear" as many as were ever given may be gone.
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

// noteGiven notes that the user has given what a record is to run. That it could not be
// noted keeps nothing from running.
func (q *Service) noteGiven(rec *record.Record) {
	if err := q.Given.Add(given.Of(rec, q.Settings.Within)); err != nil {
		q.Warn("this task will not be known as one that you gave: %v", err)
	}
}

// confirm asks whether a task may be run again, where somebody is to be asked.
func (q *Service) confirm(rec *record.Record, opts RunOptions) error {
	if opts.Confirm == nil {
		return nil
	}
	own, err := q.Own(rec)
	if err != nil {
		q.Warn("whether you gave this command is not known: %v", err)
	}
	return opts.Confirm(rec, own)
}

// Own reports whether this user has given, in this home, what a record would run. Where
// that cannot be read the answer is no.
func (q *Service) Own(rec *record.Record) (bool, error) { return q.Given.Has(rec) }
