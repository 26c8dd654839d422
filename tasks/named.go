package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"qme/index"
	"qme/record"
)

// A NameTakenError says that another task has the name that a task is to be given. It is a
// record.ErrConflict.
type NameTakenError struct {
	Name string
	ID   record.ID // the task that has it
}

// Error implements error.
func (e *NameTakenError) Error() string { return fmt.Sprintf("task %s has the name %s", e.ID, e.Name) }

// Is makes the error a record.ErrConflict.
func (e *NameTakenError) Is(target error) bool { return target == record.ErrConflict }

// Name gives a task a name, "" for none, in the place of the one that it has. The error is a
// NameTakenError if a task of this home has the name, unless move is set: that task loses it then.
// It wraps record.ErrInvalid for a name that has not the form of one, or could be an id.
func (q *Service) Name(ctx context.Context, id record.ID, name string, move bool) error {
	ids := []record.ID{id}
	if name != "" {
		if err := q.checkName(name); err != nil {
			return err
		}
		other, err := q.ownNamed(name)
		switch {
		case err != nil:
			return err
		case other != nil && other.UID != id && !move:
			return &NameTakenError{name, other.UID}
		case other != nil && other.UID != id:
			ids = append(ids, other.UID)
		}
	}
	at := record.Now()
	return q.Annotate(ctx, fmt.Sprintf("%s is %s", id, cmp.Or(name, "without a name")), ids, func(of record.ID, n *record.Notes) error {
		if n.Name = nil; of == id && name != "" {
			n.Name = &record.Name{Text: name, At: at, By: q.Settings.User}
			return q.give(name, id, ids)
		}
		return nil
	})
}

// give notes in this home that a task is given a name. It is called while no other process can change the
// history: one that was faster may have given the name to another task than those of the change.
func (q *Service) give(name string, id record.ID, ids []record.ID) error {
	other, err := q.ownNamed(name)
	switch {
	case err != nil:
		return err
	case other != nil && !slices.Contains(ids, other.UID):
		return &NameTakenError{name, other.UID}
	}
	return q.Names.Put(name, id)
}

// checkName checks a name that a task is to be given.
func (q *Service) checkName(name string) error {
	if err := record.CheckName(name); err != nil {
		return err
	}
	if ranges, err := rangesOf(name); err == nil && len(ranges) > 0 {
		return fmt.Errorf("%w name %q: it could be the beginning of an id", record.ErrInvalid, name)
	}
	if q.executor(name) != nil {
		return fmt.Errorf("%w name %q: an executor is called so", record.ErrInvalid, name)
	}
	if q.Settings.Mask == nil {
		return nil
	}
	return noSecret(q.Settings.Mask(), []string{name}) // also not for the file of the names
}

// ownNamed returns the task that was given a name in this home and still has it, nil for none.
func (q *Service) ownNamed(name string) (*record.Record, error) {
	id, err := q.Names.Get(name)
	if err != nil || id == "" {
		return nil, err
	}
	rec, err := q.task(id)
	if errors.Is(err, record.ErrNotFound) {
		return nil, nil
	}
	if err != nil || rec.Notes.Named() != name {
		return nil, err
	}
	return rec, nil
}

// named returns the task with a name: the one that was given it in this home, else the only one that
// came with it from elsewhere. The error wraps record.ErrNotFound or record.ErrAmbiguous, and
// record.ErrConflict for one from elsewhere if the command changes something.
func (q *Service) named(name string) (*record.Record, error) {
	if rec, err := q.ownNamed(name); rec != nil || err != nil {
		return rec, err
	}
	ids, err := q.allNamed(name)
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, fmt.Errorf("task %q: %w", name, record.ErrNotFound)
	case len(ids) > 1:
		return nil, &AmbiguousError{Ref: name, IDs: ids[:min(len(ids), ambiguousShown)], More: len(ids) > ambiguousShown}
	case q.Changing:
		return nil, fmt.Errorf("the name %s was given in another home, and serves for reading alone: name the task by its id, %s: %w", name, ids[0], record.ErrConflict)
	}
	return q.task(ids[0])
}

// allNamed returns the tasks with a name, newest first. Where the index would first have to be made, the
// notes are looked at themselves.
func (q *Service) allNamed(name string) (ids []record.ID, err error) {
	indexed, err := q.eachReady("name:"+name, func(found index.Found) error {
		if found.Err == nil {
			ids = append(ids, found.ID)
		}
		return nil
	})
	if err != nil || indexed {
		return ids, err
	}
	history, err := q.latest()
	if err != nil {
		return nil, err
	}
	for e, err := range history.Tasks(record.Range{}) {
		if err != nil {
			return nil, err
		}
		if notes, err := e.Notes(); err == nil && notes.Named() == name { // those that cannot be read name nothing
			ids = append(ids, e.ID)
		}
	}
	return ids, nil
}
