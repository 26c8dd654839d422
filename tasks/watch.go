package tasks

import (
	"context"
	"errors"

	"qme/record"
)

// A Change is what a task has become: its record, or the error that keeps it from being read.
// Without either the task is gone.
type Change struct {
	record.Result
	// Uncommitted says that the task has an uncommitted run, which stands in place of what the
	// history has of it.
	Uncommitted bool
}

// Changes are the tasks that have changed from one look to the next.
type Changes struct {
	List []Change
	// All says that tasks that are not in the list are gone.
	All bool
}

// A Watch finds out what changes: it knows the commit and the uncommitted runs that it saw last.
// It is for one goroutine at a time.
type Watch struct {
	// History has the newest commit, the differences between two of its commits, as they are in
	// the later one, and, under number 0, a task as it is now.
	History interface {
		Head() (string, error)
		Differences(ctx context.Context, from, to string) ([]record.Result, error)
		Find(ref string, number int) (Version, error)
	}
	// Spool has the uncommitted runs, and of each a stamp that changes with its record.
	Spool interface {
		Stamps() (map[record.ID]string, error)
		Get(id record.ID, inline int) (*record.Record, error)
	}

	commit string
	stamps map[record.ID]string // "" is that of a run that has to be looked at again
}

// Begun reports whether the watch has seen a commit.
func (w *Watch) Begun() bool { return w.commit != "" }

// Uncommitted returns how many uncommitted runs it saw last.
func (w *Watch) Uncommitted() int { return len(w.stamps) }

// Covers reports whether it saw an uncommitted run of a task.
func (w *Watch) Covers(id record.ID) bool {
	_, ok := w.stamps[id]
	return ok
}

// Begin gives take the uncommitted runs, and has later changes be those since the commit that
// latest returns. It calls that after it has read the spool, so that a run that ends meanwhile is
// in one of the two. A watch that has begun goes on from the commit that it knows.
func (w *Watch) Begin(latest func() (commit string, err error), take func(Changes)) error {
	look, err := w.look()
	if err != nil {
		return err
	}
	commit, err := latest()
	if err != nil {
		return err
	}
	if w.commit != "" {
		commit = w.commit
	}
	take(Changes{List: append(look.changes, w.left(look, nil)...)})
	w.commit, w.stamps = commit, look.stamps
	return nil
}

// Next gives take the changes since those that the last call gave. After an error, and when take
// panics, the next call gives these as well.
func (w *Watch) Next(ctx context.Context, take func(Changes)) error {
	look, err := w.look()
	if err != nil {
		return err
	}
	head, err := w.History.Head()
	if err != nil {
		return err
	}
	var stored []record.Result
	all := false
	if head != w.commit {
		if stored, all, err = w.differences(ctx, head); err != nil {
			return err
		}
	}
	changes := look.changes
	seen := map[record.ID]bool{}
	for _, res := range stored {
		seen[res.ID] = true
		if _, covered := look.stamps[res.ID]; !covered {
			changes = append(changes, Change{Result: res})
		}
	}
	changes = append(changes, w.left(look, seen)...)
	if all {
		changes = append(changes, look.unchanged...)
	}
	take(Changes{changes, all})
	w.commit, w.stamps = head, look.stamps
	return nil
}

// differences returns what the history has of the tasks that are not as they were in the last
// commit. Where that is gone, since the branch was reset or the repository replaced, these are
// all tasks.
func (w *Watch) differences(ctx context.Context, head string) (list []record.Result, all bool, err error) {
	list, err = w.History.Differences(ctx, w.commit, head)
	if err == nil || ctx.Err() != nil {
		return list, false, err
	}
	list, aerr := w.History.Differences(ctx, "", head)
	if aerr != nil {
		return nil, false, errors.Join(err, aerr)
	}
	return list, true, nil
}

// A look is what the spool has.
type look struct {
	stamps    map[record.ID]string
	changes   []Change // with their records, those that have other stamps than before
	unchanged []Change // without records, the others
}

func (w *Watch) look() (*look, error) {
	stamps, err := w.Spool.Stamps()
	if err != nil {
		return nil, err
	}
	l := &look{stamps: make(map[record.ID]string, len(stamps))}
	for id, stamp := range stamps {
		if w.stamps[id] == stamp {
			l.stamps[id] = stamp
			l.unchanged = append(l.unchanged, Change{record.Result{ID: id}, true})
			continue
		}
		rec, err := w.Spool.Get(id, 0)
		if errors.Is(err, record.ErrNotFound) {
			continue
		}
		if l.stamps[id] = stamp; err != nil {
			l.stamps[id] = "" // it is being written, or "qme check" names it
		}
		l.changes = append(l.changes, Change{record.Result{ID: id, Record: rec, Err: err}, true})
	}
	return l, nil
}

// left returns what the history has of the tasks whose runs have left the spool, but for those
// that are known to differ.
func (w *Watch) left(l *look, known map[record.ID]bool) (changes []Change) {
	for id := range w.stamps {
		if _, there := l.stamps[id]; there || known[id] {
			continue
		}
		v, err := w.History.Find(string(id), 0)
		switch {
		case errors.Is(err, record.ErrNotFound):
			changes = append(changes, Change{Result: record.Result{ID: id}})
		case err == nil && v.Record.Data.Status == record.Running:
			l.stamps[id] = "" // it has just been started again
		default:
			changes = append(changes, Change{Result: record.Result{ID: id, Record: v.Record, Err: err}})
		}
	}
	return changes
}
