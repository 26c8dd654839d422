package tasks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"qme/record"
	"qme/tasks/spool"
	"qme/tasks/waiting"
)

// A Try is a run of the queue that is not in the history yet.
type Try struct {
	ID     record.ID
	Record *record.Record // as Spool.Get has it
	Entry  *waiting.Entry
	// Supervised says that a process records the run, on this machine or possibly on another. If it is
	// false and the record says that the run goes on, there are processes of it that no process supervises.
	Supervised bool
	// Stopped says that no process supervises it and all of its processes stand still.
	Stopped bool
}

// Tries returns the runs of the queue that are in the spool, in no particular order. Of those whose
// record says that they have ended, nothing runs any more.
func (q *Service) Tries() ([]Try, error) {
	ids, err := q.Spool.IDs()
	if err != nil {
		return nil, err
	}
	var all []Try
	var errs []error
	for _, id := range ids {
		t, err := q.tryOf(id)
		if err != nil && !errors.Is(err, record.ErrNotFound) {
			errs = append(errs, err)
		} else if t != nil {
			all = append(all, *t)
		}
	}
	return all, errors.Join(errs...)
}

// tryOf returns the run of a task if it is one of the queue, else nil.
func (q *Service) tryOf(id record.ID) (*Try, error) {
	dir := q.Spool.QueuedOf(id)
	if dir == "" {
		return nil, nil
	}
	e, err := q.Waiting.EntryIn(dir, id)
	rec, rerr := q.Spool.Get(id, 0)
	switch {
	case rerr != nil:
		return nil, rerr
	case errors.Is(err, record.ErrInvalid) && (rec.Data.Status != record.Running || q.Spool.QueuedOf(id) == ""):
		return nil, nil // it is just leaving the queue
	case err != nil:
		return nil, err
	}
	supervised, err := q.Spool.Supervised(id)
	t := &Try{ID: id, Record: rec, Entry: e, Supervised: supervised}
	if !supervised && rec.Data.Status == record.Running {
		t.Stopped = q.Spool.StandsStill(id)
	}
	return t, err
}

// describe says in the record of a run that it is one of the queue.
func (t *try) describe(rec *record.Record) {
	if t == nil {
		return
	}
	rec.Data.RunID, rec.Data.Queue = t.entry.Run, t.entry.Described()
	rec.Data.Queue.GPUs = t.gpus
}

// begin puts the record of the run into the spool, where the entry is already.
func (t *try) begin(rec *record.Record) (*spool.Entry, error) {
	if err := t.spooled.Write(rec); err != nil {
		return nil, fmt.Errorf("the run cannot be recorded: %w", err)
	}
	return t.spooled, nil
}

// starts notes that the command is about to start.
func (t *try) starts() error {
	if t == nil {
		return nil
	}
	return t.spooled.Starts()
}

// started notes that the command has started.
func (t *try) started(r *run) {
	if t != nil {
		t.runs = true
		r.rec.Data.Queue.Changed = t.changes(r).list
	}
}

// leave removes the entry of a run that is in the history. A task of the queue leaves it, or waits for
// its next try.
func (q *Service) leave(e *spool.Entry, rec *record.Record) error {
	if err := q.leaveQueue(e, rec); err != nil {
		return errors.Join(err, e.Close()) // the next command tries again
	}
	return e.Remove()
}

func (q *Service) leaveQueue(e *spool.Entry, rec *record.Record) error {
	if !e.HasQueued() {
		return nil
	}
	entry, err := q.Waiting.EntryIn(e.Queued(), e.ID())
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, record.ErrInvalid) {
		return q.Waiting.Drop(e.ID(), e.Queued()) // which tries are left is not known
	} else if err != nil {
		return err
	}
	if entry.Run != rec.Data.RunID { // a process has died when it had made it that of the next try
		return q.backToQueue(e, nil)
	}
	again := entry.Again(rec)
	if q.TryEnded != nil {
		q.TryEnded(rec, entry, again)
	}
	if again {
		return q.backToQueue(e, (*waiting.Entry).Next)
	}
	q.leaveSnapshot(entry.Snapshot)
	if err := q.Waiting.Drop(e.ID(), e.Queued()); err != nil {
		return err
	}
	if q.TryLeft != nil { // not before, since all of this is tried again after an error, as on a full disk
		q.TryLeft(rec)
	}
	return nil
}

// backToQueue has the task of an entry wait again.
func (q *Service) backToQueue(e *spool.Entry, next func(*waiting.Entry, *record.Record)) error {
	err := q.Waiting.Return(e.ID(), e.Queued(), e.MoveQueued, next)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, record.ErrNotFound) {
		return nil // another process has done it
	}
	return err
}

// putBackTry has the task of a try wait again whose command was not started.
func (q *Service) putBackTry(t *try, next func(*waiting.Entry, *record.Record)) error {
	if err := q.backToQueue(t.spooled, next); err != nil {
		return errors.Join(err, t.spooled.Close()) // the next command tries again
	}
	return t.spooled.Remove()
}

func (q *Service) returnAsItWas(t *try) error { return q.putBackTry(t, nil) }

// cancelTry is Cancel for a run of the queue, which is not tried again. If no process supervises it, its
// processes are ended here, and it is recorded. It ends also where nothing can be written, as on the disk
// that it has filled.
func (q *Service) cancelTry(ctx context.Context, id record.ID) error {
	noted := q.noMoreTries(id)
	if errors.Is(noted, record.ErrNotFound) {
		return noted
	}
	running, err := q.Spool.Supervised(id)
	if err != nil {
		return errors.Join(noted, err)
	}
	if running {
		if err := q.Spool.Cancel(id); err != nil {
			return errors.Join(noted, err)
		}
		if noted != nil { // whoever records its end knows that it was cancelled
			q.Warn("if the process that records task %s is killed now, it may be tried again: %v", id, noted)
		}
		return nil
	}
	if err = q.Spool.EndUnsupervised(id, q.Settings.KillGrace); err == nil {
		err = q.Recover(ctx)
	}
	return errors.Join(noted, err)
}

// TellTry is Spool.Tell for a run of the queue. If no process supervises it, this one does what is asked. One that is
// cancelled is not tried again.
func (q *Service) TellTry(ctx context.Context, id record.ID, word spool.Word) error {
	if word == spool.WordCancel {
		return q.cancelTry(ctx, id)
	}
	err := q.Spool.Tell(id, word)
	if errors.Is(err, record.ErrNotFound) {
		if rec, gerr := q.Spool.Get(id, 0); gerr == nil && rec.Data.Status == record.Running {
			return q.Spool.SteerUnsupervised(id, word)
		}
	}
	return err
}

// noMoreTries notes with a run of the queue that the user has cancelled it.
func (q *Service) noMoreTries(id record.ID) error {
	dir := q.Spool.QueuedOf(id)
	e, err := q.Waiting.EntryIn(dir, id)
	if err != nil {
		return err
	}
	rec, err := q.Waiting.RecordIn(dir, id)
	if err != nil {
		return err
	}
	e.Cancelled = true
	return q.Waiting.WriteIn(dir, id, e, rec)
}

// TakeOut cancels a task that waits in the queue, and returns its record, which is in the history
// then: it is cancelled, and no command was started. The error wraps record.ErrNotFound if the task
// does not wait, and record.ErrConflict if it is just being started.
func (q *Service) TakeOut(ctx context.Context, id record.ID) (*record.Record, error) {
	if err := q.CheckSubmitting(id); err != nil {
		return nil, err
	}
	t, err := q.claim(id)
	if err != nil {
		return nil, err
	}
	return q.takeOut(ctx, t)
}

// takeOut records a task as cancelled that belongs to this process and was not started.
func (q *Service) takeOut(ctx context.Context, t *try) (*record.Record, error) {
	rec := *t.waits
	rec.Data.Status, rec.Data.RunID, rec.Data.Queue = record.Cancelled, t.entry.Run, t.entry.Described()
	now := record.Now()
	rec.Data.Finished = &now
	t.entry.Cancelled = true
	err := q.Waiting.WriteIn(t.spooled.Queued(), rec.UID, t.entry, t.waits)
	if err == nil {
		err = t.spooled.Write(&rec)
	}
	if err != nil {
		return nil, errors.Join(err, q.returnAsItWas(t))
	}
	if err := q.commit(ctx, t.spooled, &rec, verbOf(&rec)); err != nil {
		return nil, fmt.Errorf("%w: %w; it is kept in %s, and the next qme command tries again",
			ErrNotRecorded, errors.Join(err, t.spooled.Sync(), t.spooled.Close()), q.Spool.Dir())
	}
	return &rec, nil
}
