package tasks

import (
	"context"
	"errors"
	"slices"
	"time"

	"qme/record"
)

// WaitAll waits until several tasks have ended, as Wait does, and returns their records in the same
// order. A task for which Wait returns another error than that ctx has ended does not keep WaitAll
// from waiting for the others; the first errors are joined, and the records of these tasks are missing. tell, if not nil, is
// called once, while others are waited for, with the error of each task that does not start before the user has done
// something. If that was done before the others have ended, the task is waited for.
func (q *Service) WaitAll(ctx context.Context, ids []record.ID, tell func(why error)) (ended []*record.Record, err error) {
	w := &queueWait{q: q, ids: ids, tell: tell}
	records, errs := make([]*record.Record, len(ids)), make([]error, len(ids))
	wait := func(i int) {
		rec, err := q.resolveRecord(string(ids[i]))
		if err == nil {
			rec, err = q.wait(ctx, rec, w.duringJob(ctx), w)
		}
		if records[i], errs[i] = rec, err; err != nil {
			records[i] = nil
		}
	}
	together := &jobsTogether{q: q}
	for i := range ids { // one after the other, so that a scheduler is asked for one
		together.ask(ctx, ids[i:])
		if wait(i); ctx.Err() != nil {
			return present(records), ctx.Err()
		}
	}
	if len(present(records)) > 0 { // meanwhile the user may have done it
		w.next, w.before, w.sure = time.Time{}, nil, nil
	}
	for i, id := range ids {
		if !w.refused[id] {
			continue
		}
		if wait(i); ctx.Err() != nil {
			return present(records), ctx.Err()
		}
	}
	return present(records), FirstErrors(errs)
}

// A jobsTogether asks about the jobs of many tasks at once, so that those that have ended together, as the elements of an array
// often have, are not asked about one by one.
type jobsTogether struct {
	q    *Service
	next time.Time // of the next question
}

// ask asks about tasks if the first one has an open job, unless that was done just now. All that goes wrong shows when each is
// waited for.
func (j *jobsTogether) ask(ctx context.Context, ids []record.ID) {
	began := time.Now()
	if len(ids) < 2 || began.Before(j.next) || !j.open(ids[0]) {
		return
	}
	var refs []string
	for _, id := range ids {
		if j.open(id) {
			refs = append(refs, string(id))
		}
	}
	_, _ = j.q.Refresh(ctx, refs...)
	j.next = time.Now().Add(max(waitReason, waitRest*time.Since(began)))
}

// open reports whether a task has a job that has not ended, as far as is known.
func (j *jobsTogether) open(id record.ID) bool {
	rec, err := j.q.task(id)
	return err == nil && rec.Data.Status != record.Running && !rec.IsQueued() && rec.Data.Job != nil && !rec.Data.Job.Final
}

// present returns the records of tasks that have ended.
func present(records []*record.Record) []*record.Record {
	return slices.DeleteFunc(slices.Clone(records), func(r *record.Record) bool { return r == nil })
}

// WaitAny waits until one of several tasks has ended, with its job, and returns its record; nil if
// there are no tasks. If the scheduler does not answer, it warns once and keeps waiting. The error
// wraps record.ErrConflict if all of them wait in the queue and none starts before the user has done
// something.
func (q *Service) WaitAny(ctx context.Context, ids []record.ID) (*record.Record, error) {
	pause, warned, w := waitFirst, false, queueWait{q: q, ids: ids}
	for ask := time.Now(); len(ids) > 0; {
		var open []string
		queued := 0
		for _, id := range ids {
			rec, err := q.task(id)
			if err != nil {
				return nil, err
			}
			going := q.goesOn(rec)
			switch {
			case rec.IsQueued():
				queued++
			case !going && !rec.Active():
				return rec, nil
			case !going:
				open = append(open, string(id))
			}
		}
		if queued == len(ids) {
			if err := w.all(ctx); err != nil {
				return nil, err
			}
		}
		if len(open) > 0 && !time.Now().Before(ask) {
			ended, err := q.askAny(ctx, open)
			if ended != nil {
				return ended, nil
			}
			if err != nil && !warned {
				q.Warn("%v; asking again", err)
			}
			warned = err != nil
			ask, pause = time.Now().Add(pause), min(pause*3/2, waitMost)
		}
		if err := sleep(ctx, waitRun); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// askAny asks about several jobs, and returns the record of one that has ended, nil for none.
func (q *Service) askAny(ctx context.Context, refs []string) (ended *record.Record, err error) {
	all, err := q.Refresh(ctx, refs...)
	for _, one := range all {
		switch {
		case one.Err == nil && one.Record.Data.Job != nil && one.Record.Data.Job.Final:
			return one.Record, nil
		case !errors.Is(one.Err, record.ErrNotYet):
			err = errors.Join(err, one.Err)
		}
	}
	if ctx.Err() != nil {
		return nil, nil // the caller sees it
	}
	return nil, err
}
