package tasks

import (
	"context"
	"errors"
	"time"

	"qme/record"
)

// WaitAll waits until several tasks have ended, as Wait does, and returns their records in the same
// order. A task for which Wait returns another error than that ctx has ended does not keep WaitAll
// from waiting for the others; the errors are joined, and the records of these tasks are missing.
func (q *Service) WaitAll(ctx context.Context, ids []record.ID) (ended []*record.Record, err error) {
	var errs []error
	for _, id := range ids { // one after the other, so that a scheduler is asked for one
		rec, err := q.Wait(ctx, string(id), nil)
		switch {
		case ctx.Err() != nil:
			return ended, ctx.Err()
		case err != nil:
			errs = append(errs, err)
			continue
		}
		ended = append(ended, rec)
	}
	return ended, errors.Join(errs...)
}

// WaitAny waits until one of several tasks has ended, with its job, and returns its record; nil if
// there are no tasks. If the scheduler does not answer, it warns once and keeps waiting.
func (q *Service) WaitAny(ctx context.Context, ids []record.ID) (*record.Record, error) {
	pause, warned := waitFirst, false
	for ask := time.Now(); len(ids) > 0; {
		var open []string
		for _, id := range ids {
			rec, err := q.task(id)
			if err != nil {
				return nil, err
			}
			if !rec.Active() {
				return rec, nil
			}
			if rec.Data.Status != record.Running {
				open = append(open, string(id))
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
