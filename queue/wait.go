package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"qme/record"
)

// How long Wait lets pass between two looks. A scheduler serves everybody, so it is
// asked less often the longer a job takes.
const (
	waitFirst = 500 * time.Millisecond
	waitMost  = 30 * time.Second
	waitRun   = 100 * time.Millisecond // for a command of this machine, where a look is a stat
)

// Wait returns the record of a task once its command, and the job that this may have
// started, has ended. seen, if it is not nil, is called with the record after each look.
// That the scheduler does not answer is warned about once and waited out.
func (q *Queue) Wait(ctx context.Context, ref string, seen func(*record.Record)) (*record.Record, error) {
	rec, err := q.resolveRecord(ref)
	if err != nil {
		return nil, err
	}
	pause, warned := waitFirst, false
	for {
		if rec.Data.Status != record.Running {
			if rec.Data.Job == nil || !rec.Data.Job.Final {
				next, err := q.look(ctx, rec)
				switch {
				case errors.Is(err, record.ErrUnavailable), errors.Is(err, record.ErrNotYet):
					if !warned && errors.Is(err, record.ErrUnavailable) {
						q.Warn("%v; asking again", err)
						warned = true
					}
				case err != nil:
					return nil, err
				default:
					rec, warned = next, false
				}
			}
			if !rec.Active() {
				return rec, nil
			}
		}
		if seen != nil {
			seen(rec)
		}
		if err := sleep(ctx, q.pause(rec, &pause)); err != nil {
			return nil, err
		}
		if rec.Data.Status == record.Running {
			if rec, err = q.get(rec.UID); err != nil {
				return nil, fmt.Errorf("while it was waited for: %w", err)
			}
		}
	}
}

// look asks about the job of a task whose command has ended, if it has one.
func (q *Queue) look(ctx context.Context, rec *record.Record) (*record.Record, error) {
	if has, err := q.findJob(rec); err != nil || !has {
		return rec, err
	}
	all, err := q.Refresh(ctx, string(rec.UID))
	if err != nil {
		return nil, err
	}
	return all[0].Record, all[0].Err
}

// pause returns how long to wait before the next look.
func (q *Queue) pause(rec *record.Record, last *time.Duration) time.Duration {
	if rec.Data.Status == record.Running {
		return waitRun
	}
	now := *last
	*last = min(now*3/2, waitMost)
	return now
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
