package tasks

import (
	"context"
	"errors"

	"qme/record"
)

// A Change is the new state of a task: its record, or the error of reading it. With neither,
// the task was removed.
type Change struct {
	record.Result
	// Uncommitted says that the task has an uncommitted run, which replaces the stored one.
	Uncommitted bool
}

// Changes are the tasks that have changed between two checks.
type Changes struct {
	List []Change
	// All says that List is complete: tasks that are not in it were removed.
	All bool
}

// A Watch detects changes. It remembers the last commit and the last uncommitted runs that it
// saw. It is for use by one goroutine at a time.
type Watch struct {
	// History returns the newest commit, the differences between two commits as of the later
	// one and, for number 0, the present version of a task.
	History interface {
		Head() (string, error)
		Differences(ctx context.Context, from, to string) ([]record.Result, error)
		Find(ref string, number int) (Version, error)
	}
	// Spool returns the uncommitted runs, each with a stamp that changes whenever its record
	// does.
	Spool interface {
		Stamps() (map[record.ID]string, error)
		Get(id record.ID, inline int) (*record.Record, error)
	}

	commit string
	stamps map[record.ID]string // "" marks a run that has to be read again
}

// Begun reports whether the watch has seen a commit.
func (w *Watch) Begun() bool { return w.commit != "" }

// Uncommitted returns the number of uncommitted runs at the last check.
func (w *Watch) Uncommitted() int { return len(w.stamps) }

// Covers reports whether a task had an uncommitted run at the last check.
func (w *Watch) Covers(id record.ID) bool {
	_, ok := w.stamps[id]
	return ok
}

// Begin calls take with the uncommitted runs, and starts to watch for changes since the commit
// that latest returns. It calls latest after it has read the spool, so that a run that ends
// meanwhile is in at least one of the two. A watch that has begun continues from the commit it
// knows.
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

// Next calls take with the changes since the last call. After an error, or if take panics, the
// next call includes these changes.
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
		} else if c, ok := w.noted(res); ok {
			changes = append(changes, c)
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

// differences returns the stored records of tasks that have changed since the last commit. If
// that commit is gone because the branch was reset or the repository replaced, it returns all
// tasks.
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

// A look is the state of the spool.
type look struct {
	stamps    map[record.ID]string
	changes   []Change // runs with new stamps, with their records
	unchanged []Change // the other runs, without records
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
		if err == nil && rec.Data.Run > 1 {
			rec = w.withNotes(rec)
		}
		if l.stamps[id] = stamp; err != nil {
			l.stamps[id] = "" // it is being written, or "qme check" reports it
		}
		l.changes = append(l.changes, Change{record.Result{ID: id, Record: rec, Err: err}, true})
	}
	return l, nil
}

// withNotes returns the record of a rerun that has not ended with the notes of its task, which the history
// has. Those that cannot be read are left out.
func (w *Watch) withNotes(rec *record.Record) *record.Record {
	if v, err := w.History.Find(string(rec.UID), 0); err == nil {
		rec.Notes = v.Record.Notes
	}
	return rec
}

// noted returns a task whose notes may have changed while it is being run again.
func (w *Watch) noted(stored record.Result) (Change, bool) {
	if stored.Record == nil {
		return Change{}, false
	}
	rec, err := w.Spool.Get(stored.ID, 0)
	if err != nil {
		return Change{}, false // the next check sees that it has ended
	}
	rec.Notes = stored.Record.Notes
	return Change{record.Result{ID: stored.ID, Record: rec}, true}, true
}

// left returns the stored records of tasks whose runs have left the spool, except those in
// known.
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
