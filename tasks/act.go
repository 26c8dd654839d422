package tasks

import (
	"context"
	"fmt"
	"io"

	"qme/executor"
	"qme/record"
)

// An Acting is one call of an action of an executor.
type Acting struct {
	Executor executor.Executor
	Action   executor.Action
	Options  map[string]string // the given options by name; a switch has "true"
	// Out takes the result, Err messages for the user.
	Out, Err io.Writer
	// Unattended is as in executor.Call.
	Unattended bool
	// Confirm is asked before an action alters the job of a task that this home has not
	// started. It returns nil to agree; Act returns its error. A nil Confirm never agrees.
	Confirm func(*ForeignError) error
}

// foreignAction returns the task of another home that an action would change, and the change.
// It returns nil if the action only reads, or if the task belongs to this home: for a task with
// a job, if this home has noted the job, else if its command was given here. call is as set by
// allow.
func (q *Service) foreignAction(v Version, a executor.Action, call *executor.Call) (*ForeignError, error) {
	if !a.Alters || !call.Foreign {
		return nil, nil
	}
	if call.Told == nil {
		if own, err := q.Own(v.Record); own || err != nil {
			return nil, err
		}
	}
	return ForeignAction(v.Record, a.Name), nil
}

// AltersForeign is foreignAction for an action that is not performed yet. Errors are those of
// Usable.
func (q *Service) AltersForeign(v Version, a executor.Action) (*ForeignError, error) {
	var call executor.Call
	if err := q.allow(v, &call); err != nil {
		return nil, err
	}
	return q.foreignAction(v, a, &call)
}

// Act performs an action on a run. If the action may have changed the state of a job, Act
// refreshes the record afterwards. Before a status action it refreshes the record first, so
// that the scheduler is asked only once. changed reports whether the refresh has made a commit.
// The error is that of the action; an answer that could not be recorded is only a warning.
func (q *Service) Act(ctx context.Context, v Version, a Acting) (changed bool, err error) {
	_, tracked := a.Executor.(executor.Tracker)
	tracked = tracked && v.Commit == "" && v.Record.Data.Status != record.Running
	call := &executor.Call{Options: a.Options, Out: a.Out, Err: a.Err, Unattended: a.Unattended, Host: host{q, v, a.Err}}
	if err := q.allow(v, call); err != nil {
		return false, err
	}
	if err := q.agree(v, a, call); err != nil {
		return false, err
	}
	var unrecorded error
	if tracked && a.Action.Name == "status" {
		all, err := q.Refresh(ctx, string(v.Record.UID))
		if unrecorded = err; len(all) > 0 {
			if all[0].Err != nil {
				return false, all[0].Err
			}
			changed = err == nil && all[0].Changed
			v.Record, call.Fresh = all[0].Record, true
			if err := q.allow(v, call); err != nil {
				return changed, err
			}
		} // otherwise the action reports why nothing is known
	}
	err = a.Action.Perform(ctx, call)
	if tracked && a.Action.Alters {
		changed, unrecorded = q.refreshOne(ctx, v.Record.UID)
	}
	if unrecorded != nil && err == nil {
		q.Warn("the record does not say it yet: %v", unrecorded)
	}
	return changed, err
}

// agree asks for confirmation of an action on a task of another home.
func (q *Service) agree(v Version, a Acting, call *executor.Call) error {
	foreign, err := q.foreignAction(v, a.Action, call)
	switch {
	case err != nil || foreign == nil:
		return err
	case a.Confirm == nil:
		return foreign
	}
	return a.Confirm(foreign)
}

// allow sets the fields of a call that tell the action which values of the run it may use.
func (q *Service) allow(v Version, call *executor.Call) error {
	usable, own, err := q.Usable(v)
	call.Record, call.Foreign, call.Told = usable, !own, v.Record.Data.Job
	return err
}

func (q *Service) refreshOne(ctx context.Context, id record.ID) (changed bool, err error) {
	all, err := q.Refresh(ctx, string(id))
	if err != nil {
		return false, err
	}
	return all[0].Changed, all[0].Err
}

// A host provides the use cases that an action on a run may call.
type host struct {
	q   *Service
	v   Version
	err io.Writer // for the user
}

// Stream implements executor.Host.
func (h host) Stream(name record.StreamName) (io.ReadCloser, error) {
	if name == record.Stderr && h.v.Record.Data.Merged {
		if _, err := fmt.Fprintln(h.err, OneStream(h.v.Record)); err != nil {
			return nil, err
		}
	}
	return h.v.Stream(name)
}

// OneStream returns a message that the error output of a run is part of its output.
func OneStream(rec *record.Record) string {
	return fmt.Sprintf("Task %s had one stream for both, as on a terminal: its errors are in its output.", rec.UID)
}

// Cancel implements executor.Host.
func (h host) Cancel(ctx context.Context) error {
	return h.q.cancelRun(ctx, h.v.Record.UID)
}
