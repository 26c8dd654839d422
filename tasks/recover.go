package tasks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"qme/record"
	"qme/tasks/spool"
)

const (
	// commitTime limits how long a run waits for other processes after its command has ended,
	// both for its own record and for those of dead processes. It is slightly longer than the
	// store waits for one lock, because the store's error is more precise.
	commitTime = 11 * time.Second
	// recoveryTime limits how long a run waits for the records of dead processes, before and
	// after its command. The store needs two seconds to recognize a lock left by a crash.
	recoveryTime = 3 * time.Second
	// readerTime limits how long a command that only reads waits for a lock.
	readerTime = 100 * time.Millisecond
)

// Recover commits the runs of dead processes from the spool. An entry that cannot be committed
// stays there. The error wraps record.ErrBusy when the history was locked until the deadline of
// ctx, or for as long as the store waits.
func (q *Service) Recover(ctx context.Context) error {
	r := q.recovery()
	r.work(ctx)
	r.errs = append(r.errs, q.recordArrays(ctx))
	r.tidy()
	return r.close(ctx)
}

// tidy removes what killed processes have left in the queue.
func (r *recovery) tidy() {
	if r.q.Waiting != nil && r.q.Waiting.Any() {
		r.errs = append(r.errs, r.q.Waiting.Tidy(), r.q.tidySnapshots())
	}
}

// RecoverSoon is Recover for commands that only read. It waits only briefly for a lock, and
// leaves the remaining entries to another command. A commit that has started is not
// interrupted.
func (q *Service) RecoverSoon(ctx context.Context) error {
	r := q.recovery()
	for more := true; more; {
		soon, cancel := context.WithTimeout(ctx, readerTime)
		more = r.step(soon)
		if len(r.entries) > 0 && !more && ctx.Err() == nil {
			r.leave(errBusy)
		}
		cancel()
	}
	return r.close(ctx)
}

// A recovery commits the entries of dead processes. It holds their locks.
type recovery struct {
	q       *Service
	entries []*spool.Entry // not processed yet
	errs    []error
	busy    bool // the history was locked
}

func (q *Service) recovery() *recovery {
	entries, err := q.Spool.Take()
	return &recovery{q: q, entries: entries, errs: []error{err, q.putBackLost()}}
}

// work commits entries until ctx ends or the history is locked.
func (r *recovery) work(ctx context.Context) {
	for r.step(ctx) {
	}
}

// step commits one entry, and reports whether another one remains to be tried.
func (r *recovery) step(ctx context.Context) bool {
	if len(r.entries) == 0 || ctx.Err() != nil {
		return false
	}
	err := r.q.recover(ctx, r.entries[0])
	switch {
	case err != nil && ctx.Err() != nil:
		return false // the entry is tried again
	case errors.Is(err, errUnsupervised):
		err = r.entries[0].Close()
		r.done(nil)
		r.errs = append(r.errs, err)
	case errors.Is(err, record.ErrBusy):
		r.busy = true
		r.leave(err) // the others would have to wait too
	default:
		r.done(err)
	}
	return len(r.entries) > 0
}

// done removes the first entry from the list. If err is not nil, the entry stays in the spool.
func (r *recovery) done(err error) {
	e := r.entries[0]
	r.entries = r.entries[1:]
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("task %s: %w", e.ID(), errors.Join(err, e.Close())))
	}
}

// leave leaves all entries to the next command.
func (r *recovery) leave(why error) {
	for len(r.entries) > 0 {
		r.done(why)
	}
}

// close leaves the remaining entries in the spool, and returns all errors.
func (r *recovery) close(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		err = errBusy
	}
	r.leave(err)
	return FirstErrors(r.errs)
}

var errBusy = fmt.Errorf("the history is %w", record.ErrBusy)

// A backgroundRecovery is a recovery that runs while a command runs. It must be paused and then
// finished.
type backgroundRecovery struct {
	*recovery // valid after pause
	interrupt context.CancelFunc
	pausing   atomic.Bool
	paused    chan struct{}
}

func (q *Service) recoverInBackground(ctx context.Context) *backgroundRecovery {
	ctx, interrupt := context.WithCancel(context.WithoutCancel(ctx))
	b := &backgroundRecovery{interrupt: interrupt, paused: make(chan struct{})}
	go func() {
		defer close(b.paused)
		b.recovery = q.recovery()
		for !b.pausing.Load() && b.step(ctx) {
		}
	}()
	return b
}

// pause stops the recovery, so that the run can commit its own record. It waits a limited time
// for the entry that is being committed.
func (b *backgroundRecovery) pause() {
	b.pausing.Store(true)
	limit := time.AfterFunc(recoveryTime, b.interrupt)
	<-b.paused
	limit.Stop()
	b.interrupt()
}

// finish recovers the remaining entries. own is the error of committing the run's own record.
// If that failed because the history was locked, finish does not wait for the lock again.
func (b *backgroundRecovery) finish(ctx context.Context, own error) error {
	switch {
	case errors.Is(own, record.ErrBusy):
		b.leave(errBusy)
	case b.busy && own == nil: // the lock may be free by now
		b.recovery = b.q.recovery()
		b.work(ctx)
	default:
		b.work(ctx)
	}
	return b.close(ctx)
}

// recover commits one entry. On error, the entry still belongs to the caller.
func (q *Service) recover(ctx context.Context, e *spool.Entry) error {
	// Before anything else: the record may be lost, and the run be in the history already.
	rec, err := e.Salvage(q.Settings.Inline)
	if perr := q.putBackDead(e.ID(), runOf(rec)); perr != nil {
		q.Warn("%v", perr)
		if errors.Is(perr, record.ErrConflict) {
			return perr
		}
	}
	if e.HasQueued() {
		if rec, err = q.recoverTry(e, rec, err); rec == nil || err != nil {
			return err
		}
	}
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return e.Remove() // it was committed and being removed
	}
	if errors.Is(err, spool.ErrEmpty) {
		return q.setAside(e)
	}
	if err != nil {
		return err
	}
	if q.notClaimed(rec) {
		return e.Remove()
	}
	if q.recorded(rec) {
		return q.leave(e, rec)
	}
	if err := errors.Join(q.salvageUsage(e, rec), q.salvageShared(e, rec)); err != nil {
		return err
	}
	err = q.commit(ctx, e, rec, verbOf(rec))
	if err != nil {
		if _, gone := q.Spool.Get(e.ID(), 0); errors.Is(gone, record.ErrNotFound) {
			return e.Remove() // another process has committed it
		}
	}
	return err
}

// runOf returns the name of a run, "" for none.
func runOf(rec *record.Record) record.RunID {
	if rec == nil {
		return ""
	}
	return rec.Data.RunID
}

// verbOf returns the kind of the commit of a run.
func verbOf(rec *record.Record) string {
	switch {
	case rec.IsCheck():
		return "check"
	case rec.Data.Run > 1:
		return "rerun"
	}
	return "run"
}

// recorded reports whether the history has the run as an earlier run of its task, because a
// merge has added a later one. For the latest run, rebase checks this.
func (q *Service) recorded(rec *record.Record) bool {
	store, err := q.Store()
	if err != nil {
		return false
	}
	current, err := store.Get("", rec.UID)
	if err != nil {
		return false
	}
	for v, err := range q.runs(current, "") {
		if err != nil {
			return false // a duplicate is better than a lost run
		}
		if d := v.Record.Data; record.SameRun(v.Record, rec) && (d.ReturnCode != nil || rec.Data.ReturnCode == nil) {
			return true
		}
	}
	return false
}

// setAside ends an entry without a record and warns the user.
func (q *Service) setAside(e *spool.Entry) error {
	where, err := e.SetAside()
	switch {
	case err != nil:
		return err
	case where == "":
		q.Warn("the record of a run of task %s was lost, as in a power cut; there was no output yet", e.ID())
	default:
		q.Warn("the record of a run of task %s was lost, as in a power cut; its output is now in %s", e.ID(), where)
	}
	return nil
}
