package tasks

import (
	"context"
	"errors"
	"fmt"

	"qme/gitstore"
	"qme/record"
)

// errCleared says that the task of a rerun is not in the history any more.
var errCleared = errors.New("the task was cleared while it ran again")

// commitRun commits a run. A task that was cleared after its rerun had begun is brought back with it, with
// its earlier runs and its notes, as in a merge with a history in which it was cleared: clearing a task
// does not mean runs that were not there yet.
func (q *Service) commitRun(ctx context.Context, c gitstore.Change, rec *record.Record) error {
	again := rec.Data.Run > 1 // before its number is changed
	c.Build = func(current *record.Record, version string) (*record.Record, error) {
		if current == nil && again {
			return nil, errCleared
		}
		return rebase(rec, current, version), nil
	}
	_, err := q.commitChanges(ctx, c)
	for errors.Is(err, errCleared) {
		before, why := q.clearing(ctx, rec.UID)
		if why == nil {
			_, why = q.commitChanges(ctx, gitstore.Change{Verb: "restore", What: string(rec.UID), Restore: []record.Clearing{before}}, c)
		}
		switch err = why; {
		case why == nil:
			q.Warn("task %s was cleared while it ran again; it is there again, with its earlier runs and its notes", rec.UID)
		case errors.Is(why, record.ErrConflict): // another process has just brought it back
			_, err = q.commitChanges(ctx, c)
		case ctx.Err() == nil && !errors.Is(why, record.ErrBusy):
			q.Warn("task %s was cleared while it ran again, and its earlier runs and notes are not brought back: %v", rec.UID, why)
			again = false
			_, err = q.commitChanges(ctx, c)
		}
	}
	return err
}

// clearing returns the last removal of a task from the history. The error wraps record.ErrNotFound if it
// was not cleared, as after a reset.
func (q *Service) clearing(ctx context.Context, id record.ID) (record.Clearing, error) {
	store, err := q.Store()
	if err != nil {
		return record.Clearing{}, err
	}
	sn, err := store.Latest()
	if err != nil {
		return record.Clearing{}, err
	}
	found, err := sn.Cleared(ctx, "")
	if err != nil {
		return record.Clearing{}, err
	}
	for _, one := range found.Tasks {
		if one.ID == id {
			return one, nil
		}
	}
	if found.Gap != nil {
		return record.Clearing{}, found.Gap
	}
	return record.Clearing{}, fmt.Errorf("its removal: %w", record.ErrNotFound)
}
