package tasks

import (
	"context"
	"fmt"
	"io"

	"qme/executor"
	"qme/record"
)

// An Acting is one performance of an action of an executor.
type Acting struct {
	Executor executor.Executor
	Action   executor.Action
	Options  map[string]string // those that were given, by name; a switch has "true"
	// Out takes the result, Err messages for people.
	Out, Err io.Writer
	// Unattended is as in executor.Call.
	Unattended bool
	// Confirm agrees, by nil, to an action that alters the job of a task that this home has
	// not started. An error of it is that of Act. A nil Confirm agrees to none.
	Confirm func(*ForeignError) error
}

// foreignAction returns whose task it is that an action would change and that this home has not
// started, and what would be done; nil for an action that only looks, and for a task of this
// home. Of a task with a job that is what this home has noted of the job, and of any other
// whether its command was given here. call is what allow has allowed.
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

// AltersForeign is foreignAction for an action that is not being performed yet. The error is as
// that of Usable.
func (q *Service) AltersForeign(v Version, a executor.Action) (*ForeignError, error) {
	var call executor.Call
	if err := q.allow(v, &call); err != nil {
		return nil, err
	}
	return q.foreignAction(v, a, &call)
}

// Act performs an action on a run. The state of a job that the action may have changed is
// asked for afterwards, and before a status, so that the scheduler is asked once and the
// record says it, too. changed reports whether that has made a commit. An answer that could
// not be recorded is a warning, and the error is that of the action.
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
		} // else the action says why nothing is known
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

// agree asks for the agreement to an action that changes what is not of this home.
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

// allow puts into a call what its action may use of a run.
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

// A host is what the use cases can do for an action on a run.
type host struct {
	q   *Service
	v   Version
	err io.Writer // for people
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

// OneStream says where the error output of a run is whose streams were one.
func OneStream(rec *record.Record) string {
	return fmt.Sprintf("Task %s had one stream for both, as on a terminal: its errors are in its output.", rec.UID)
}

// Cancel implements executor.Host.
func (h host) Cancel(context.Context) error {
	return h.q.cancelRun(h.v.Record.UID)
}
