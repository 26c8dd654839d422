package queue

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"qme/record"
)

// outcomes returns a function that tells how tasks have ended, and asks once for each. A task that
// cannot be read counts as one that has not ended.
func (q *Queue) outcomes() func(record.ID) Outcome {
	known := map[record.ID]Outcome{}
	return func(id record.ID) Outcome {
		o, ok := known[id]
		if !ok {
			o, _ = q.outcome(id)
			known[id] = o
		}
		return o
	}
}

// outcome returns how a task has ended. job says that its job has not.
func (q *Queue) outcome(id record.ID) (o Outcome, job bool) {
	// A task goes from the queue to the spool, and from there to the history and perhaps back to the
	// queue before it leaves the spool. A process that looks in this order finds it in one of them.
	waits := filepath.Join(q.Service.Waiting.Dir(), string(id))
	for range 2 {
		if there(filepath.Join(q.Service.Spool.Dir(), string(id))) {
			return Pending, false
		}
		if there(waits) {
			return Waiting, false
		}
	}
	store, err := q.Service.Store()
	if err != nil {
		return Pending, false
	}
	rec, err := store.Get("", id)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return Gone, false
	case err != nil:
		return Pending, false
	case there(waits): // it is to be tried again
		return Waiting, false
	case rec.Active():
		return Pending, rec.Data.Job != nil
	case rec.Outcome() == record.OK:
		return Succeeded, false
	}
	return Failed, false
}

// there reports whether a path is there, also if that cannot be found out.
func there(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
