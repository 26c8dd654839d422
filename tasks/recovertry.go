package tasks

import (
	"errors"
	"io/fs"

	"qme/record"
	"qme/tasks/spool"
)

// errUnsupervised says that processes of a run are alive that no process supervises. It is left alone.
var errUnsupervised = errors.New("its processes are alive, and none records it")

// notClaimed reports whether a process has died that was about to start a task of the queue, before the
// task belonged to it. rec is of a folder in the spool without the task's.
func (q *Service) notClaimed(rec *record.Record) bool {
	if rec.Data.Queue == nil || rec.Data.PID != 0 || rec.Data.ReturnCode != nil {
		return false
	}
	return q.Waiting.Has(rec.UID)
}

// recoverTry returns the record of a run of the queue that was cut off, nil if there is none: it goes
// on unsupervised (errUnsupervised), or did not happen, and the task waits again. was and err are what
// the spool has of it.
func (q *Service) recoverTry(e *spool.Entry, was *record.Record, err error) (*record.Record, error) {
	if err == nil && was.Data.ReturnCode != nil {
		return was, nil // its command has ended
	}
	entry, eerr := q.Waiting.EntryIn(e.Queued(), e.ID())
	if err == nil && was.Data.PID == 0 && !e.MayHaveStarted() && !e.Rebooted() && (eerr != nil || !entry.Cancelled) {
		return nil, errors.Join(q.backToQueue(e, nil), e.Remove())
	}
	if alive, err := e.Unsupervised(); err != nil || alive {
		return nil, errors.Join(err, errUnsupervised)
	}
	if lost := errors.Is(err, record.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, spool.ErrEmpty); !lost {
		return was, err
	}
	if eerr != nil { // nothing says any more what it was
		return nil, eerr
	}
	waits, err := q.Waiting.RecordIn(e.Queued(), e.ID())
	if err != nil {
		return nil, err
	}
	lost := provisional(waits, entry)
	lost.Data.Status = record.Cancelled
	return lost, e.Write(lost)
}
