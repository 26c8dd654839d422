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
	// commitTime bounds how long a run waits for other processes once its command has
	// ended: for its own record, and for those that dead processes have left. It is a
	// little more than the store waits for one lock, whose error says more.
	commitTime = 11 * time.Second
	// recoveryTime bounds how long a run waits for the latter alone, before its command begins
	// and when it has ended. The store needs two seconds to be sure that a lock is one
	// that a crash left.
	recoveryTime = 3 * time.Second
	// readerTime bounds how long a command that only reads waits for a lock.
	readerTime = 100 * time.Millisecond
)

// Recover commits what dead processes have left in the spool. An entry that
// cannot be committed stays there. The error wraps record.ErrBusy when the history
// was locked until ctx ended, or for as long as the store waits.
func (q *Service) Recover(ctx context.Context) error {
	r := q.recovery()
	r.work(ctx)
	return r.close(ctx)
}

// RecoverSoon is Recover for commands that only read: it waits for no lock for longer than
// a moment, and what is left is another command's. Work that can begin is not broken off.
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

// A recovery is what dead processes have left. Its entries are locked.
type recovery struct {
	q       *Service
	entries []*spool.Entry // those whose turn has not come
	errs    []error
	busy    bool // the history was locked
}

func (q *Service) recovery() *recovery {
	entries, err := q.Spool.Take()
	return &recovery{q: q, entries: entries, errs: []error{err}}
}

// work commits the entries until ctx ends or the history is locked.
func (r *recovery) work(ctx context.Context) {
	for r.step(ctx) {
	}
}

// step commits one entry, and reports whether there is a next one to try.
func (r *recovery) step(ctx context.Context) bool {
	if len(r.entries) == 0 || ctx.Err() != nil {
		return false
	}
	err := r.q.recover(ctx, r.entries[0])
	switch {
	case err != nil && ctx.Err() != nil:
		return false // it keeps its turn
	case errors.Is(err, record.ErrBusy):
		r.busy = true
		r.leave(err) // the others would wait as long
	default:
		r.done(err)
	}
	return len(r.entries) > 0
}

// done is for the first entry, which err keeps in the spool.
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

// close leaves what is left when ctx has ended.
func (r *recovery) close(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		err = errBusy
	}
	r.leave(err)
	return errors.Join(r.errs...)
}

var errBusy = fmt.Errorf("the history is %w", record.ErrBusy)

// A backgroundRecovery is a recovery while a command runs. It must be paused, then finished.
type backgroundRecovery struct {
	*recovery // from pause on
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

// pause makes way for the run's own record: the entry at work gets a moment, the others
// wait.
func (b *backgroundRecovery) pause() {
	b.pausing.Store(true)
	limit := time.AfterFunc(recoveryTime, b.interrupt)
	<-b.paused
	limit.Stop()
	b.interrupt()
}

// finish recovers what is left, now that the run's own record is in the history or could
// not be brought there, which own says. It does not wait a second time for a lock.
func (b *backgroundRecovery) finish(ctx context.Context, own error) error {
	switch {
	case errors.Is(own, record.ErrBusy):
		b.leave(errBusy)
	case b.busy && own == nil: // that was a while ago
		b.recovery = b.q.recovery()
		b.work(ctx)
	default:
		b.work(ctx)
	}
	return b.close(ctx)
}

// recover commits one entry. After an error it is still the caller's.
func (q *Service) recover(ctx context.Context, e *spool.Entry) error {
	rec, err := e.Salvage(q.Settings.Inline)
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return e.Remove() // it had been committed and was being removed
	}
	if errors.Is(err, spool.ErrEmpty) {
		return q.setAside(e)
	}
	if err != nil {
		return err
	}
	if q.recorded(rec) {
		return e.Remove()
	}
	verb := "run"
	if rec.Data.Run > 1 {
		verb = "rerun"
	}
	err = q.commit(ctx, e, rec, verb)
	if err != nil {
		if _, gone := q.Spool.Get(e.ID(), 0); errors.Is(gone, record.ErrNotFound) {
			return e.Remove() // another process was faster
		}
	}
	return err
}

// recorded reports whether the history has a run as one that is not its task's last: a
// merge has put a later one in its place since. Whether it is the last one, rebase finds out.
func (q *Service) recorded(rec *record.Record) bool {
	store, err := q.Store()
	if err != nil {
		return false
	}
	current, err := store.Get("", rec.UID)
	if err != nil {
		return false
	}
	for v, err := range q.runs(current) {
		if err != nil {
			return false // it is rather there twice than not at all
		}
		if d := v.Record.Data; record.SameRun(v.Record, rec) && (d.ReturnCode != nil || rec.Data.ReturnCode == nil) {
			return true
		}
	}
	return false
}

// setAside ends an entry that cannot be recovered.
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
