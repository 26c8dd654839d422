package tasks

import (
	"context"
	"errors"
	"iter"
	"slices"

	"qme/executor"
	"qme/gitstore"
	"qme/internal/ordered"
	"qme/record"
)

// A View is the tasks of a home as they are at one moment: the history as of a commit, and the
// uncommitted runs, each in place of what the history has of its task. It does not change once
// it has its order, and may then be used by several goroutines.
type View struct {
	service     *Service
	history     *gitstore.Snapshot
	uncommitted []record.Result // in the order of the view
	ids         []record.ID     // of these

	// Order is that in which the tasks come; nil is the newest task first.
	Order *record.Order
	// Mixed is that of record.Order, of the uncommitted runs as well.
	Mixed bool
}

// View returns the tasks as they are now, the newest first.
func (q *Service) View() (*View, error) {
	// The spool comes first: a run that ends meanwhile is then seen in one of the two.
	uncommitted, err := q.Spool.List(q.Settings.Inline)
	if err != nil {
		return nil, err
	}
	return q.viewWith(uncommitted)
}

// viewWith returns the history of now with some uncommitted runs.
func (q *Service) viewWith(uncommitted []record.Result) (*View, error) {
	history, err := q.latest()
	if err != nil {
		return nil, err
	}
	v := &View{service: q, history: history, uncommitted: uncommitted, Mixed: true}
	for _, res := range uncommitted {
		v.ids = append(v.ids, res.ID)
	}
	v.sort()
	return v, nil
}

func (v *View) sort() { slices.SortFunc(v.uncommitted, v.Order.CompareResults) }

// latestFirst has the task come first whose latest run began last; without byRun it only finds
// out whether the executors are mixed. damage says that the history is damaged, so that neither
// is known, and the view stays as it was.
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
	if byRun {
		v.Order = o.With(recs)
		v.sort()
	}
	return nil, nil
}

// Records yields the tasks of a range in the order of the view. A record that cannot be read is
// yielded with its error; a result without an ID ends them.
func (v *View) Records(rg record.Range) iter.Seq[record.Result] {
	rg.Order = v.Order
	return v.covered(rg, v.history.Records(rg))
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

// Open yields the tasks of a range that are running, or whose job goes on, as Records does.
func (v *View) Open(rg record.Range) iter.Seq[record.Result] {
	rg.Order = v.Order
	return v.covered(rg, v.openJobs(rg))
}

// covered puts the uncommitted runs of a range in the place of what is stored of their tasks.
func (v *View) covered(rg record.Range, stored iter.Seq[record.Result]) iter.Seq[record.Result] {
	uncommitted := slices.DeleteFunc(slices.Clone(v.uncommitted), func(r record.Result) bool { return !rg.Has(r.ID) })
	return ordered.Overlay(stored, slices.Values(uncommitted), v.Order.CompareResults)
}

// openJobs yields the tasks of the history whose job goes on, in the order of the view.
func (v *View) openJobs(rg record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		ids, err := v.service.Jobs.IDs()
		if err != nil {
			yield(record.Result{Err: err})
			return
		}
		slices.SortFunc(ids, v.Order.Compare)
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

// Short returns a task's short name. unique is that of record.Result.
func (v *View) Short(id record.ID, unique int) (string, error) {
	others := slices.Clip(v.ids)
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

// task returns a task's record as it is now.
func (q *Service) task(id record.ID) (*record.Record, error) {
	rec, err := q.Spool.Get(id, q.Settings.Inline)
	if !errors.Is(err, record.ErrNotFound) {
		return rec, err
	}
	store, err := q.Store()
	if err != nil {
		return nil, err
	}
	return store.Get("", id)
}

// isUncommitted reports whether a record is that of a run which is not in the history yet.
func (q *Service) isUncommitted(rec *record.Record) bool {
	spooled, err := q.Spool.Get(rec.UID, 0)
	return err == nil && record.SameRun(spooled, rec)
}
