package tasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"qme/record"
)

// The intervals between the checks of Wait. A scheduler serves many users, so it is asked less
// often the longer a job takes.
const (
	waitFirst = 500 * time.Millisecond
	waitMost  = 30 * time.Second
	waitRun   = 100 * time.Millisecond // for a local command, where a check is a stat
	// waitReason is the interval in which it is asked why a task waits in the queue. Only the second
	// answer counts: a task on which it depends may just go back to the queue.
	waitReason = time.Second
	// waitRest times as long as such a question takes there is none, since it reads all that waits.
	waitRest = 20
	// waitForget is for how long after the next question was due an answer still counts as the first one.
	waitForget = 30 * time.Second
)

// Wait waits until the command of a task, and the job that it may have started, have ended, and
// returns the record. It waits while the task waits in the queue, also between two tries. seen, if not
// nil, is called with the record after each check. If the scheduler does not answer or the history is
// locked, Wait warns once and keeps waiting. The error wraps record.ErrConflict when the job can never
// start, and when the task does not start before the user has done something.
func (q *Service) Wait(ctx context.Context, ref string, seen func(*record.Record)) (*record.Record, error) {
	rec, err := q.resolveRecord(ref)
	if err != nil {
		return nil, err
	}
	return q.wait(ctx, rec, seen, &queueWait{q: q, ids: []record.ID{rec.UID}})
}

// wait is Wait for a task that w asks about.
func (q *Service) wait(ctx context.Context, rec *record.Record, seen func(*record.Record), w *queueWait) (*record.Record, error) {
	rec, err := q.waitForCommand(ctx, rec, seen, w)
	if err != nil {
		return nil, err
	}
	return q.waitForJob(ctx, rec, seen)
}

// waitForCommand waits until the command of a task has ended for good.
func (q *Service) waitForCommand(ctx context.Context, rec *record.Record, seen func(*record.Record), w *queueWait) (*record.Record, error) {
	for q.goesOn(rec) {
		if seen != nil {
			seen(rec)
		}
		if err := w.look(ctx, rec); err != nil {
			return nil, err
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

// started waits until a task has left the queue, and returns its run: the try for which it has waited, also if that has
// ended meanwhile. Another version stays as it is. stuck, if not nil, is as in Passing.
func (q *Service) started(ctx context.Context, v Version, stuck func(error)) (Version, error) {
	w, told, try := queueWait{q: q, ids: []record.ID{v.Record.UID}}, "", 0
	for v.Record.IsQueued() {
		if try == 0 {
			try = v.Record.Data.Queue.Try
		} else if try != v.Record.Data.Queue.Try { // it waits for the next one
			break
		}
		err := w.look(ctx, v.Record)
		switch {
		case err == nil:
		case stuck == nil || !errors.Is(err, record.ErrConflict):
			return v, err
		case err.Error() != told:
			told = err.Error()
			stuck(err)
		}
		if err := sleep(ctx, waitRun); err != nil {
			return v, err
		}
		rec, err := q.task(v.Record.UID)
		if err != nil {
			return v, fmt.Errorf("task %s, while its start was waited for: %w", v.Record.UID, err)
		}
		v = Version{Record: rec, service: q}
	}
	if try == 0 {
		return v, nil
	}
	return q.ofTry(v, try)
}

// ofTry returns the run of a task that is a try of the queue, or the first one after it. v is the latest.
func (q *Service) ofTry(v Version, try int) (Version, error) {
	later := math.MaxInt
	for run, err := range q.Runs(string(v.Record.UID)) {
		if err != nil {
			return v, err
		}
		d := run.Record.Data.Queue
		if d == nil || d.Try < try || d.Try >= later {
			break
		}
		later, v = d.Try, run
	}
	return v, nil
}

// A queueWait asks why tasks wait in the queue while they are waited for.
type queueWait struct {
	q      *Service
	ids    []record.ID         // about which is asked; some may have started
	next   time.Time           // of the next question
	before map[record.ID]error // the last answer, of stuck
	failed error               // the last question
	sure   map[record.ID]error // what the last two answers agree on
	// refused are the tasks of which look has returned that they do not start, and tell, if not nil, is called with that of
	// others than the one that is waited for; told are those of which it knows.
	refused, told map[record.ID]bool
	tell          func(why error)
}

// look returns an error if a task waits that does not start before the user has done something.
func (w *queueWait) look(ctx context.Context, rec *record.Record) error {
	if !rec.IsQueued() && w.tell == nil {
		return nil
	}
	if err := w.ask(ctx); err != nil {
		return err
	}
	if why := w.sure[rec.UID]; why != nil && rec.IsQueued() {
		w.refused = with(w.refused, rec.UID)
		return why
	}
	w.tellOthers()
	return nil
}

// tellOthers tells of tasks that do not start while another one is waited for.
func (w *queueWait) tellOthers() {
	if w.tell == nil {
		return
	}
	var fresh []error
	for _, id := range slices.Sorted(maps.Keys(w.sure)) {
		if !w.told[id] {
			w.told = with(w.told, id)
			fresh = append(fresh, w.sure[id])
		}
	}
	if len(fresh) > 0 {
		w.tell(FirstErrors(fresh))
	}
}

// duringJob returns a function for waitForJob that looks at the other tasks.
func (w *queueWait) duringJob(ctx context.Context) func(*record.Record) {
	return func(rec *record.Record) {
		if rec.IsQueued() || rec.Data.Status == record.Running {
			return // look is called
		}
		if err := w.look(ctx, rec); err != nil && ctx.Err() == nil {
			w.q.Warn("why tasks wait in the queue is not known: %v", err)
		}
	}
}

// with adds a task to a set, which may be nil.
func with(set map[record.ID]bool, id record.ID) map[record.ID]bool {
	if set == nil {
		set = map[record.ID]bool{}
	}
	set[id] = true
	return set
}

// all returns an error if none of the tasks, which all wait, starts before the user has done something.
func (w *queueWait) all(ctx context.Context) error {
	if err := w.ask(ctx); err != nil {
		return err
	}
	var errs []error
	for _, id := range w.ids {
		if w.sure[id] == nil {
			return nil
		}
		errs = append(errs, w.sure[id])
	}
	return FirstErrors(errs)
}

// ask asks, unless that was done just now.
func (w *queueWait) ask(ctx context.Context) error {
	began := time.Now()
	if began.Before(w.next) {
		return nil
	}
	if began.Sub(w.next) > waitForget {
		w.before, w.failed = nil, nil
	}
	before, failed := w.before, w.failed
	w.before, w.failed = w.q.stuck(ctx, w.ids)
	w.next = time.Now().Add(max(waitReason, waitRest*time.Since(began)))
	w.sure = maps.Clone(w.before)
	maps.DeleteFunc(w.sure, func(id record.ID, _ error) bool { return before[id] == nil })
	if failed != nil {
		return w.failed
	}
	return nil
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
