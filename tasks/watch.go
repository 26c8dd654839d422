package tasks

import (
	"context"
	"errors"

	"qme/internal/wholefile"
	"qme/record"
	"qme/tasks/waiting"
)

// A Change is the new state of a task: its record, or the error of reading it. With neither,
// the task was removed.
type Change struct {
	record.Result
	// Uncommitted says that the task has an uncommitted run, or waits in the queue, which replaces the
	// stored run.
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
	// Queue, if not nil, returns the tasks that wait: see waiting.Watch. Queued returns the record of
	// one; its error wraps record.ErrNotFound if it does not wait any more.
	Queue  *waiting.Watch
	Queued func(id record.ID) (*record.Record, error)

	commit  string
	stamps  map[record.ID]string // "" marks a run that has to be read again
	queue   map[record.ID]wholefile.Stamp
	version uint64 // of queue
}

// Begun reports whether the watch has seen a commit.
func (w *Watch) Begun() bool { return w.commit != "" }

// Uncommitted returns the number of uncommitted runs at the last check.
func (w *Watch) Uncommitted() int { return len(w.stamps) }

// Covers reports whether a task had an uncommitted run, or waited, at the last check.
func (w *Watch) Covers(id record.ID) bool {
	_, runs := w.stamps[id]
	_, waits := w.queue[id]
	return runs || waits
}

// Waiting returns the number of waiting tasks at the last check.
func (w *Watch) Waiting() int { return len(w.queue) }

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
	w.commit = commit
	w.seen(look)
	return nil
}

func (w *Watch) seen(l *look) { w.stamps, w.queue, w.version = l.stamps, l.queue, l.version }

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
		if !look.covers(res.ID) {
			changes = append(changes, Change{Result: res})
		} else if c, ok := w.noted(res); ok {
			changes = append(changes, c)
		}
	}
	changes = append(changes, w.left(look, seen)...)
	if all {
		changes = append(changes, look.unchanged...)
		for id := range look.queue {
			changes = append(changes, Change{record.Result{ID: id}, true})
		}
	}
	take(Changes{changes, all})
	w.commit = head
	w.seen(look)
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

// A look is the state of the queue and of the spool. A task may be in both while it starts or ends.
type look struct {
	stamps    map[record.ID]string
	queue     map[record.ID]wholefile.Stamp
	version   uint64   // of queue
	changes   []Change // runs with new stamps, and waiting tasks, with their records
	unchanged []Change // the other runs, without records
}

func (l *look) covers(id record.ID) bool {
	_, runs := l.stamps[id]
	_, waits := l.queue[id]
	return runs || waits
}

func (w *Watch) look() (*look, error) {
	l := &look{queue: w.queue, version: w.version}
	var err error
	if w.Queue != nil { // before the spool, so that a task that starts meanwhile is in one of the two
		if l.queue, l.version, err = w.Queue.Look(); err != nil {
			return nil, err
		}
	}
	stamps, err := w.Spool.Stamps()
	if err != nil {
		return nil, err
	}
	l.stamps = make(map[record.ID]string, len(stamps))
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
	if l.version != w.version {
		w.added(l)
	}
	return l, nil
}

// added adds the tasks to a look that have come to the queue or were changed there. One that runs is about
// to leave it; one that has ended there is about to be removed from the spool.
func (w *Watch) added(l *look) {
	going := map[record.ID]bool{}
	for _, c := range l.changes {
		going[c.ID] = c.Record != nil && c.Record.Data.Status == record.Running
	}
	for id, stamp := range l.queue {
		if known, there := w.queue[id]; there && known == stamp || going[id] {
			continue
		}
		rec, err := w.Queued(id)
		if errors.Is(err, record.ErrNotFound) {
			continue // the next check sees where it is
		}
		l.changes = append(l.changes, Change{record.Result{ID: id, Record: rec, Err: err}, true})
	}
}

// withNotes returns the record of a rerun that has not ended with the notes of its task, which the history
// has. Those that cannot be read are left out.
func (w *Watch) withNotes(rec *record.Record) *record.Record {
	if v, err := w.History.Find(string(rec.UID), 0); err == nil {
		rec.Notes = v.Record.Notes
	}
	return rec
}

// noted returns a task whose notes may have changed while it is being run again, or waits for that.
func (w *Watch) noted(stored record.Result) (Change, bool) {
	if stored.Record == nil {
		return Change{}, false
	}
	rec, err := w.Spool.Get(stored.ID, 0)
	if err != nil && w.Queued != nil {
		rec, err = w.Queued(stored.ID)
	}
	if err != nil {
		return Change{}, false // the next check sees that it has ended
	}
	rec.Notes = stored.Record.Notes
	return Change{record.Result{ID: stored.ID, Record: rec}, true}, true
}

// left returns the stored records of tasks whose runs have left the spool or the queue, except those in
// known.
func (w *Watch) left(l *look, known map[record.ID]bool) (changes []Change) {
	var gone []record.ID
	for id := range w.stamps {
		_, there := l.stamps[id]
		if _, waits := l.queue[id]; !there && (waits || !known[id]) { // it may wait again, or still
			gone = append(gone, id)
		}
	}
	if l.version != w.version {
		for id := range w.queue {
			if _, ran := w.stamps[id]; !ran && !l.covers(id) && !known[id] {
				gone = append(gone, id)
			}
		}
	}
	for _, id := range gone {
		v, err := w.History.Find(string(id), 0)
		switch {
		case errors.Is(err, record.ErrNotFound):
			changes = append(changes, Change{Result: record.Result{ID: id}})
		case err == nil && v.Record.Data.Status == record.Running:
			l.stamps[id] = "" // it has just been started, perhaps again
		case err == nil && v.Record.IsQueued():
			changes = append(changes, Change{record.Result{ID: id, Record: v.Record}, true})
		default:
			changes = append(changes, Change{Result: record.Result{ID: id, Record: v.Record, Err: err}})
		}
	}
	return changes
}
