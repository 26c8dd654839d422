package tasks

import (
	"context"
	"errors"
	"fmt"

	"qme/executor"
	"qme/gitstore"
	"qme/record"
)

// Select returns the tasks for the argument of a "clear": all tasks for "", the task that a
// reference names, or the tasks of an executor. The error wraps record.ErrConflict when one of
// them waits in the queue, is running or has an open job of this home, and record.ErrNotFound when there is none.
func (q *Service) Select(what string) ([]record.ID, error) {
	ids, err := q.candidates(what)
	if err != nil {
		return nil, err
	}
	return ids, q.noneRuns(ids)
}

// SelectTasks is Select for several references, each to a single task, in their order. The error names
// all that cannot be cleared.
func (q *Service) SelectTasks(refs []string) (ids []record.ID, err error) {
	var refused []error
	seen := map[record.ID]bool{}
	for _, ref := range refs {
		id, err := q.clearable(ref)
		switch {
		case err != nil:
			refused = append(refused, err)
		case !seen[id]:
			ids, seen[id] = append(ids, id), true
		}
	}
	if err := q.noneRuns(ids); err != nil {
		refused = append(refused, err)
	}
	return ids, errors.Join(refused...)
}

// clearable returns the task that a reference names. One that cannot be read can be cleared.
func (q *Service) clearable(ref string) (record.ID, error) {
	rec, err := q.resolveRecord(ref)
	if errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrCorrupt) {
		if id, rerr := q.resolve(ref); rerr == nil {
			return id, nil
		}
	}
	if err != nil {
		return "", err
	}
	return rec.UID, nil
}

// IDs returns the tasks that references name, each once. The error is that of Find.
func (q *Service) IDs(refs ...string) ([]record.ID, error) {
	var ids []record.ID
	seen := map[record.ID]bool{}
	for _, ref := range refs {
		rec, err := q.resolveRecord(ref)
		if err != nil {
			return nil, err
		}
		if !seen[rec.UID] {
			ids, seen[rec.UID] = append(ids, rec.UID), true
		}
	}
	return ids, nil
}

// noneRuns returns an error if one of the tasks waits in the queue, is running or has an open job. It names
// each, up to a number.
func (q *Service) noneRuns(ids []record.ID) error {
	queued, err := q.waitingIDs()
	if err != nil {
		return err
	}
	uncommitted, err := q.Spool.List(0)
	if err != nil {
		return err
	}
	if queued, err = q.backAgain(queued); err != nil {
		return err
	}
	running, waiting := map[record.ID]bool{}, map[record.ID]bool{}
	for _, res := range uncommitted {
		running[res.ID] = true
	}
	for _, id := range queued {
		waiting[id] = true
	}
	var refused []error
	for _, id := range ids {
		switch {
		case running[id]:
			refused = append(refused, fmt.Errorf("task %s is running: %w (\"qme cancel %s\" ends it)", id, record.ErrConflict, id))
		case waiting[id]:
			refused = append(refused, isQueued(id))
		}
	}
	open, err := q.openOf(ids)
	if err != nil {
		return err
	}
	return FirstErrors(append(refused, open...))
}

// refusedShown is how many tasks are named that cannot be cleared.
const refusedShown = 10

// openOf returns an error for each of the tasks that has an open job of this home. Clearing the task
// would stop tracking the job, and remove the folder that its output may go to.
func (q *Service) openOf(ids []record.ID) (refused []error, err error) {
	open, err := q.Jobs.IDs()
	if err != nil || len(open) == 0 {
		return nil, err
	}
	meant := make(map[record.ID]bool, len(ids))
	for _, id := range ids {
		meant[id] = true
	}
	for _, id := range open {
		if !meant[id] || q.tracker(id.Executor()) == nil {
			continue
		}
		rec, err := q.task(id)
		if err != nil {
			return nil, err
		}
		if job := rec.Data.Job; job != nil && !job.Final {
			refused = append(refused, jobOpen(rec))
		}
	}
	return refused, nil
}

func (q *Service) candidates(what string) ([]record.ID, error) {
	rg := record.Range{}
	none := fmt.Errorf("%q names no task, and no executor that has any: %w", what, record.ErrNotFound)
	if what != "" {
		id, err := q.clearable(what)
		var cleared *ClearedError
		switch {
		case err == nil:
			return []record.ID{id}, nil
		case errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrCorrupt):
			return nil, err
		case record.CheckExecutor(what) != nil:
			return nil, err
		case errors.As(err, &cleared) || !errors.Is(err, record.ErrNotFound) && !errors.Is(err, ErrReference):
			none = err // unless it is an executor
		}
		rg.Executor = what
	}
	v, err := q.View()
	if err != nil {
		return nil, err
	}
	var ids []record.ID
	for id, err := range v.IDs(rg) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 && what != "" {
		return nil, none
	}
	return ids, nil
}

// Clear removes tasks from the newest version of the history, and returns the commit that does.
// Their runs remain in earlier versions. The error wraps record.ErrConflict when one of them has
// begun to run since it was selected.
func (q *Service) Clear(ctx context.Context, what string, ids []record.ID) (version string, err error) {
	if err := q.noneRuns(ids); err != nil {
		return "", err
	}
	version, err = q.commitChanges(ctx, gitstore.Change{Verb: "clear", What: what, Delete: ids})
	if err != nil {
		return "", err
	}
	if err := q.Jobs.Forget(ids); err != nil {
		q.Warn("notes of tasks that were cleared stay: %v", err)
	}
	return version, nil
}

// CancelAction is the action that ends a job.
const CancelAction = "cancel"

// Cancel ends the command of a task. If the command has ended and the executor can cancel jobs,
// it ends the job instead; then job is true, and changed and the error are those of Act. a
// holds the options for Act; Cancel sets its executor and action. The processes of a command
// get TERM, and KILL after a grace period. Cancel returns when the request has reached the
// process that records the run. A task that waits in the queue is taken out, see TakeOut; then changed is
// true. The error wraps record.ErrConflict when nothing is running.
func (q *Service) Cancel(ctx context.Context, v Version, a Acting) (job, changed bool, err error) {
	rec := v.Record
	if rec.IsQueued() {
		_, err := q.TakeOut(ctx, rec.UID)
		return false, err == nil, err
	}
	if e := q.executor(rec.Executor); e != nil && rec.Data.Status != record.Running && rec.Active() {
		if act, err := executor.Find(e, CancelAction); err == nil {
			a.Executor, a.Action = e, act
			changed, err = q.Act(ctx, v, a)
			return true, changed, err
		}
	}
	return false, false, q.cancelRun(ctx, rec.UID)
}

// cancelRun is Cancel for a command.
func (q *Service) cancelRun(ctx context.Context, id record.ID) error {
	rec, err := q.resolveRecord(string(id))
	if err != nil {
		return err
	}
	if job := rec.Data.Job; rec.Data.Status != record.Running && job != nil && !job.Final {
		return fmt.Errorf("task %s is not running: its command has ended, and its job %s goes on: %w (\"qme exec %s cancel\" ends that)",
			rec.UID, job.ID, record.ErrConflict, rec.UID)
	}
	if rec.IsQueued() {
		return isQueued(rec.UID)
	}
	if rec.Data.Status != record.Running {
		return fmt.Errorf("task %s is not running: %w", rec.UID, record.ErrConflict)
	}
	if q.Spool.QueuedOf(rec.UID) != "" {
		return q.cancelTry(ctx, rec.UID)
	}
	return q.Spool.Cancel(rec.UID)
}
