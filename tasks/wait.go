package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"qme/record"
)

// The intervals between the checks of Wait. A scheduler serves many users, so it is asked less
// often the longer a job takes.
const (
	waitFirst = 500 * time.Millisecond
	waitMost  = 30 * time.Second
	waitRun   = 100 * time.Millisecond // for a local command, where a check is a stat
)

// Wait waits until the command of a task, and the job that it may have started, have ended, and
// returns the record. seen, if not nil, is called with the record after each check. If the
// scheduler does not answer or the history is locked, Wait warns once and keeps waiting. The
// error wraps record.ErrConflict when the job can never start.
func (q *Service) Wait(ctx context.Context, ref string, seen func(*record.Record)) (*record.Record, error) {
	rec, err := q.resolveRecord(ref)
	if err != nil {
		return nil, err
	}
	if rec, err = q.waitForCommand(ctx, rec, seen); err != nil {
		return nil, err
	}
	return q.waitForJob(ctx, rec, seen)
}

// waitForCommand waits until the command of a task has ended.
func (q *Service) waitForCommand(ctx context.Context, rec *record.Record, seen func(*record.Record)) (*record.Record, error) {
	for rec.Data.Status == record.Running {
		if seen != nil {
			seen(rec)
		}
		if err := sleep(ctx, waitRun); err != nil {
			return nil, err
		}
		id, err := rec.UID, error(nil)
		if rec, err = q.task(id); err != nil {
			return nil, fmt.Errorf("task %s, while it was waited for: %w", id, err)
		}
	}
	return rec, nil
}

// waitForJob waits until the job of a task has ended, if it has one.
func (q *Service) waitForJob(ctx context.Context, rec *record.Record, seen func(*record.Record)) (*record.Record, error) {
	if job := rec.Data.Job; job != nil && job.Final {
		return rec, nil // also if no executor tracks it
	}
	if has, err := q.findJob(rec); err != nil || !has {
		return rec, err
	}
	warned, never := false, ""
	for pause := waitFirst; !rec.Data.Job.Final; pause = min(pause*3/2, waitMost) {
		next, err := q.lookAt(ctx, rec)
		switch {
		case err == nil:
			rec, warned = next.Record, false
			if next.Never != "" && next.Never == never { // trust only the second answer; the first may be temporary
				return nil, fmt.Errorf("task %s: its job %s is %s (%s) and will never start as it is: %w (\"qme exec %s cancel\" ends it)",
					rec.UID, rec.Data.Job.ID, rec.Data.Job.State, never, record.ErrConflict, rec.UID)
			}
			never = next.Never
		case errors.Is(err, record.ErrNotYet):
		case !errors.Is(err, record.ErrUnavailable) && !errors.Is(err, record.ErrBusy) || ctx.Err() != nil:
			return nil, err
		case !warned:
			q.Warn("%v; asking again", err)
			warned = true
		}
		if seen != nil {
			seen(rec)
		}
		if rec.Data.Job.Final {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
	return rec, nil
}

// lookAt asks about the job of one task.
func (q *Service) lookAt(ctx context.Context, rec *record.Record) (Refreshed, error) {
	all, err := q.Refresh(ctx, string(rec.UID))
	if err != nil {
		return Refreshed{}, err
	}
	return all[0], all[0].Err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
