package tasks

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"qme/internal/ordered"
	"qme/record"
	"qme/tasks/waiting"
)

// A WaitReason says why a task waits in the queue.
type WaitReason struct {
	// Word is stable, for programs: "slots", "resources", "after", "time", "held", "paused", "blocked"
	// and so on, as package queue has them.
	Word string `json:"word"`
	// Text says more to the user, such as for which task it waits; "" if Word says all.
	Text string `json:"text,omitempty"`
	// Stuck says that the task does not start unless the user does something, and Text says what.
	Stuck bool `json:"stuck,omitempty"`
}

// String returns the reason in words.
func (r WaitReason) String() string {
	if r.Text == "" {
		return r.Word
	}
	return r.Word + ": " + r.Text
}

// waitingIDs returns the ids of the tasks that wait in the queue, without reading any.
func (q *Service) waitingIDs() ([]record.ID, error) {
	if q.Waiting == nil {
		return nil, nil
	}
	return q.Waiting.IDs()
}

// Misplaced returns an error for each file that is in the place of a folder for tasks that wait or run. It names the path. Such a
// folder counts as empty.
func (q *Service) Misplaced() []error {
	errs := q.Waiting.Misplaced()
	if err := q.Spool.Misplaced(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// backAgain returns ids, which were listed as waiting, with those that have come back since: a task whose command could
// not be started was in neither place if the queue was listed first, then the spool.
func (q *Service) backAgain(ids []record.ID) ([]record.ID, error) {
	now, err := q.waitingIDs()
	if err != nil || slices.Equal(ids, now) {
		return ids, err
	}
	known := make(map[record.ID]bool, len(ids))
	for _, id := range ids {
		known[id] = true
	}
	return append(ids, slices.DeleteFunc(now, func(id record.ID) bool { return known[id] })...), nil
}

// Queued returns the record of a task that waits in the queue. The error wraps record.ErrNotFound if it
// does not.
func (q *Service) Queued(id record.ID) (*record.Record, error) {
	if q.Waiting == nil {
		return nil, fmt.Errorf("task %s does not wait in the queue: %w", id, record.ErrNotFound)
	}
	rec, err := q.Waiting.Record(id)
	if err != nil {
		return nil, err
	}
	if !rec.IsQueued() {
		return nil, fmt.Errorf("task %s: its record in the queue is not of a task that waits: %w", id, record.ErrInvalid)
	}
	return rec, q.asFurtherRun(rec)
}

// asFurtherRun completes the record of a task that waits for another try, of which the history has the
// earlier ones: with the number of the run, and the notes of the task.
func (q *Service) asFurtherRun(rec *record.Record) error {
	if rec.Data.Run <= 1 && rec.Data.Queue.Try <= 1 {
		return nil
	}
	sn, err := q.latest()
	if err != nil {
		return err
	}
	last, err := sn.Get(rec.UID)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return nil // it was cleared meanwhile
	case err != nil:
		return err
	}
	rec.Data.Run, rec.Notes = record.NextRun(last.Data.Run), last.Notes
	return nil
}

// mayBeTriedAgain reports whether a run that has ended may not be the end of its task: the queue may
// try it again.
func mayBeTriedAgain(rec *record.Record) bool {
	d := rec.Data
	return d.Queue != nil && d.Queue.Try < d.Queue.Tries && !rec.Active() && rec.Outcome() != record.OK
}

// goesOn reports whether a task waits for its start, its command is running, or the queue is about to
// try it again.
func (q *Service) goesOn(rec *record.Record) bool {
	if rec.Data.Status == record.Running || rec.IsQueued() {
		return true
	}
	if !mayBeTriedAgain(rec) {
		return false
	}
	if q.Spool.QueuedOf(rec.UID) != "" {
		return true // it is about to be decided
	}
	now, err := q.task(rec.UID)
	return err == nil && (now.Active() || !record.SameRun(now, rec))
}

// stuck returns, for those of some tasks that wait in the queue and cannot start before the user has done something, an
// error that says what that is. It wraps record.ErrConflict, or record.ErrInvalid for a damaged one.
func (q *Service) stuck(ctx context.Context, ids []record.ID) (map[record.ID]error, error) {
	if q.Reasons == nil {
		return nil, nil
	}
	reasons, err := q.Reasons(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := map[record.ID]error{}
	for _, id := range ids {
		r, known := reasons[id]
		switch {
		case r.Stuck:
			found[id] = fmt.Errorf("task %s waits in the queue and does not start as it is: %s: %w", id, r, record.ErrConflict)
		case !known: // it does not wait, or is damaged
			if err := q.Waiting.Damage(id); err != nil {
				found[id] = err
			}
		}
	}
	return found, nil
}

// WhyWaits returns why a task waits in the queue; nil if it does not, or that is not known.
func (q *Service) WhyWaits(ctx context.Context, rec *record.Record) (*WaitReason, error) {
	if q.Reasons == nil || !rec.IsQueued() {
		return nil, nil
	}
	reasons, err := q.Reasons(ctx, []record.ID{rec.UID})
	if why, known := reasons[rec.UID]; known && err == nil {
		return &why, nil
	}
	return nil, err
}

// TermsOf returns the terms on which a task waits in the queue; nil if it does not.
func (q *Service) TermsOf(rec *record.Record) (*waiting.Terms, error) {
	if q.Waiting == nil || !rec.IsQueued() {
		return nil, nil
	}
	e, err := q.Waiting.Entry(rec.UID)
	if errors.Is(err, record.ErrNotFound) {
		return nil, nil // it has started meanwhile
	} else if err != nil {
		return nil, err
	}
	return &e.Terms, nil
}

// FirstErrors joins errors of tasks, of which it names as many as are shown at once. The others count as well.
func FirstErrors(errs []error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(errs) > refusedShown {
		errs = append(errs[:refusedShown:refusedShown], moreErrors(errs[refusedShown:]))
	}
	return errors.Join(errs...)
}

// moreErrors are errors that are not named.
type moreErrors []error

// Error implements error.
func (m moreErrors) Error() string { return fmt.Sprintf("and %d more", len(m)) }

// Unwrap returns them.
func (m moreErrors) Unwrap() []error { return m }

// isQueued returns the error for what cannot be done with a task that waits in the queue.
func isQueued(id record.ID) error {
	return fmt.Errorf("task %s waits in the queue: %w (\"qme cancel %s\" takes it out)", id, record.ErrConflict, id)
}

// withWaiting adds the tasks that wait in the queue to a view. Those that the spool has are running
// by now, or have been there before a process died.
func (v *View) withWaiting(ids []record.ID) {
	if len(ids) == 0 {
		return
	}
	spooled := map[record.ID]bool{}
	v.uncommitted = slices.DeleteFunc(v.uncommitted, func(res record.Result) bool {
		going := res.Err != nil || res.Record.Data.Status == record.Running
		if spooled[res.ID] = going; going {
			return false
		}
		return slices.Contains(ids, res.ID) // it waits to be tried again, or was never begun
	})
	ids = slices.DeleteFunc(ids, func(id record.ID) bool { return spooled[id] })
	slices.SortFunc(ids, (*record.Order)(nil).Compare)
	v.byUUID = ids
	v.waiting = slices.Clone(ids)
}

// queued yields the waiting tasks of a range in the order of the view, with nothing but their ids.
func (v *View) queued(rg record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		for i := range v.waiting {
			id := v.waiting[i]
			if rg.Reversed {
				id = v.waiting[len(v.waiting)-1-i]
			}
			if rg.Has(id) && !yield(record.Result{ID: id}) {
				return
			}
		}
	}
}

// withQueued replaces tasks of a range by those that wait. Their results have nothing but an id.
func (v *View) withQueued(rg record.Range, others iter.Seq[record.Result]) iter.Seq[record.Result] {
	if len(v.waiting) == 0 {
		return others
	}
	compare := v.Order.CompareResults
	if rg.Reversed {
		compare = func(a, b record.Result) int { return v.Order.CompareResults(b, a) }
	}
	return ordered.Overlay(others, v.queued(rg), compare)
}

// read yields results with the records of those tasks that wait, or leaves these out if leave is set.
func (v *View) read(results iter.Seq[record.Result]) iter.Seq[record.Result] {
	if len(v.waiting) == 0 {
		return results
	}
	return func(yield func(record.Result) bool) {
		for res := range results {
			if res.ID != "" && res.Record == nil && res.Err == nil {
				if v.NotQueued {
					continue
				}
				// It may have started since, or even have ended.
				res.Record, res.Err = v.service.task(res.ID)
				if errors.Is(res.Err, record.ErrNotFound) {
					continue
				}
			}
			if !yield(res) {
				return
			}
		}
	}
}

// near returns the waiting tasks whose ids have the most in common with an id.
func (v *View) near(id record.ID) []record.ID {
	at, _ := slices.BinarySearchFunc(v.byUUID, id, func(one, id record.ID) int { return strings.Compare(id.UUID(), one.UUID()) })
	return v.byUUID[max(at-1, 0):min(at+2, len(v.byUUID))]
}
