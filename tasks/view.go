package tasks

import (
	"context"
	"errors"
	"iter"
	"slices"

	"qme/executor"
	"qme/gitstore"
	"qme/index"
	"qme/internal/ordered"
	"qme/record"
)

// A View is a snapshot of the tasks of a home: the history as of a commit, and the uncommitted
// runs and the tasks that wait in the queue, which replace the stored ones. The record of a task
// that waits is read when it is yielded. When its order is set, it is immutable and safe for
// concurrent use.
type View struct {
	service     *Service
	history     *gitstore.Snapshot
	uncommitted []record.Result // in the order of the view
	ids         []record.ID     // ids of uncommitted
	waiting     []record.ID     // in the order of the view; none of them is uncommitted
	byUUID      []record.ID     // waiting, the greatest UUID first

	// Order is the order of the tasks; nil means newest first.
	Order *record.Order
	// Mixed is record.Order.Mixed, including the uncommitted runs.
	Mixed bool
	// NotQueued leaves out the tasks that wait in the queue, also where the history has earlier runs
	// of them.
	NotQueued bool
}

// View returns the present tasks, newest first.
func (q *Service) View() (*View, error) {
	// List the queue first, then the spool, so that a task that starts or ends meanwhile is seen in at
	// least one of the three.
	waiting, err := q.waitingIDs()
	if err != nil {
		return nil, err
	}
	uncommitted, err := q.Spool.List(q.Settings.Inline)
	if err != nil {
		return nil, err
	}
	return q.viewWith(uncommitted, waiting)
}

// viewWith returns the present history with the given uncommitted runs, and waiting tasks that were listed before
// them.
func (q *Service) viewWith(uncommitted []record.Result, waiting []record.ID) (*View, error) {
	waiting, err := q.backAgain(waiting)
	if err != nil {
		return nil, err
	}
	history, err := q.latest()
	if err != nil {
		return nil, err
	}
	v := &View{service: q, history: history, uncommitted: uncommitted, Mixed: true}
	v.withWaiting(waiting)
	for i, res := range v.uncommitted {
		v.ids = append(v.ids, res.ID)
		if res.Err == nil && res.Record.Data.Run > 1 {
			v.uncommitted[i].Record.Notes, v.uncommitted[i].Err = history.Notes(res.ID)
		}
	}
	v.sort()
	return v, nil
}

func (v *View) sort() {
	slices.SortFunc(v.uncommitted, v.Order.CompareResults)
	slices.SortFunc(v.waiting, v.Order.Compare)
}

// latestFirst orders the view by the start of the latest runs, latest first. Without byRun it
// only sets Mixed. If the history is damaged, it returns the reason as damage and leaves the
// view unchanged.
func (v *View) latestFirst(ctx context.Context, byRun bool) (damage, err error) {
	o, err := v.service.order(ctx, v.history, false)
	if errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrInvalid) {
		return err, nil
	} else if err != nil {
		return nil, err
	}
	var recs []*record.Record
	v.Mixed = o.Mixed
	for _, res := range v.uncommitted {
		v.Mixed = v.Mixed || res.ID.Executor() != executor.ShellName
		if res.Err == nil {
			recs = append(recs, res.Record)
		}
	}
	if !v.Mixed {
		v.Mixed = slices.ContainsFunc(v.waiting, func(id record.ID) bool { return id.Executor() != executor.ShellName })
	}
	if byRun {
		v.Order = o.With(recs)
		v.sort()
	}
	return nil, nil
}

// Records yields the tasks of a range in the order of the view. A record that cannot be read is
// yielded with its error. A result without an ID ends the sequence.
func (v *View) Records(rg record.Range) iter.Seq[record.Result] {
	rg.Order = v.Order
	return v.read(v.covered(rg, v.history.Records(rg)))
}

// IDs is Records without the records, at the cost of gitstore.Snapshot.Tasks.
func (v *View) IDs(rg record.Range) iter.Seq2[record.ID, error] {
	rg.Order = v.Order
	entries := func(yield func(record.Result) bool) {
		for e, err := range v.history.Tasks(rg) {
			if !yield(record.Result{ID: e.ID, Err: err}) {
				return
			}
		}
	}
	return func(yield func(record.ID, error) bool) {
		for res := range v.covered(rg, entries) {
			var err error
			if res.ID == "" {
				err = res.Err
			}
			if !yield(res.ID, err) || err != nil {
				return
			}
		}
	}
}

// Open is Records for tasks that wait, are running or have an open job.
func (v *View) Open(rg record.Range) iter.Seq[record.Result] {
	rg.Order = v.Order
	return v.read(v.covered(rg, v.openJobs(rg)))
}

// covered replaces stored runs of a range by the uncommitted runs of the same tasks, and by those
// that wait; see withQueued.
func (v *View) covered(rg record.Range, stored iter.Seq[record.Result]) iter.Seq[record.Result] {
	uncommitted := slices.DeleteFunc(slices.Clone(v.uncommitted), func(r record.Result) bool { return !rg.Has(r.ID) })
	if !rg.Reversed {
		return v.withQueued(rg, ordered.Overlay(stored, slices.Values(uncommitted), v.Order.CompareResults))
	}
	slices.Reverse(uncommitted)
	return v.withQueued(rg, ordered.Overlay(stored, slices.Values(uncommitted), func(a, b record.Result) int { return v.Order.CompareResults(b, a) }))
}

// openJobs yields the tasks of the history with an open job, in the order of the view.
func (v *View) openJobs(rg record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		ids, err := v.service.Jobs.IDs()
		if err != nil {
			yield(record.Result{Err: err})
			return
		}
		slices.SortFunc(ids, v.Order.Compare)
		if rg.Reversed {
			slices.Reverse(ids)
		}
		for _, id := range ids {
			if !rg.Has(id) {
				continue
			}
			rec, err := v.history.Get(id)
			if errors.Is(err, record.ErrNotFound) {
				continue // its first run is uncommitted, or it was cleared
			}
			if !yield(record.Result{ID: id, Record: rec, Err: err}) {
				return
			}
		}
	}
}

// Short returns a task's short name. unique is record.Result.Unique.
func (v *View) Short(id record.ID, unique int) (string, error) {
	others := append(slices.Clip(v.ids), v.near(id)...)
	if unique == 0 {
		for e, err := range v.history.Tasks(record.Range{Prefix: id.Millisecond()}) {
			if err != nil {
				return "", err
			}
			others = append(others, e.ID)
		}
	}
	return id.Short(max(unique, id.Unique(others...))), nil
}

// shortFound returns the short name of a task that was found. That of a task that was cleared
// names no other task, either.
func (v *View) shortFound(f index.Found) (string, error) {
	if f.Cleared == nil {
		return v.Short(f.ID, f.Unique)
	}
	own, err := v.Short(f.ID, 0)
	if among := f.ID.Short(f.Unique); len(among) > len(own) {
		own = among
	}
	return own, err
}

// task returns a task's present record. One that moves meanwhile from the queue to the spool, from there
// to the history or back to the queue is found where it is.
func (q *Service) task(id record.ID) (*record.Record, error) {
	var before *record.Record
	for {
		rec, err := q.Queued(id)
		if !errors.Is(err, record.ErrNotFound) {
			return rec, err
		}
		rec, stored, err := q.begun(id)
		if errors.Is(err, record.ErrNotFound) {
			if back, err := q.Queued(id); err == nil {
				return back, nil // see backAgain
			}
		}
		if err != nil || !stored || !mayBeTriedAgain(rec) {
			return rec, err
		}
		// A run that is to be tried again goes to the history first, and then its task waits again: both
		// may have happened since the first look.
		if before != nil && record.SameRun(before, rec) {
			return rec, nil
		}
		before = rec
	}
}

// begun is task for one that does not wait. stored says that the record is from the history.
func (q *Service) begun(id record.ID) (rec *record.Record, stored bool, err error) {
	rec, err = q.Spool.Get(id, q.Settings.Inline)
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		return nil, false, err
	}
	if err == nil && rec.Data.Run <= 1 {
		return rec, false, nil
	}
	store, serr := q.Store()
	if serr != nil {
		return nil, false, serr
	}
	if err != nil {
		rec, err = store.Get("", id)
		return rec, true, err
	}
	latest, err := store.Latest()
	if err != nil {
		return nil, false, err
	}
	rec.Notes, err = latest.Notes(id)
	return rec, false, err
}

// isUncommitted reports whether a record belongs to a run that is not in the history yet, or to a task
// that waits in the queue.
func (q *Service) isUncommitted(rec *record.Record) bool {
	if rec.IsQueued() {
		return true
	}
	spooled, err := q.Spool.Get(rec.UID, 0)
	return err == nil && record.SameRun(spooled, rec)
}
