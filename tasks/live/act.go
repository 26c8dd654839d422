package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"qme/executor"
	"qme/record"
	"qme/tasks"
)

// Actions returns the actions that the executor of a run offers for its task. It leaves out
// options that need a terminal or name files of this machine, and cancel for a run that is not
// active.
func (h *Home) Actions(rec *record.Record) []executor.Action {
	e, ok := h.Service.Executors.Get(rec.Executor)
	if !ok {
		return nil
	}
	var list []executor.Action
	for _, act := range e.Actions() {
		if act.Name == tasks.CancelAction && !rec.Active() {
			continue
		}
		act.Options = slices.DeleteFunc(slices.Clone(act.Options), func(o executor.Option) bool {
			return o.Name == "follow" || o.Value == executor.FileValue
		})
		list = append(list, act)
	}
	return list
}

// A Request is an action to be performed.
type Request struct {
	Action  string
	Options map[string]string // as in executor.Call
	Out     io.Writer         // takes the result
	Err     io.Writer         // takes messages for the user
	Warn    func(format string, args ...any)
	// Agreed is the client's agreement to change a task that this home has not started.
	Agreed Agreement
}

// Act performs an action on the latest run of a task. The error is that of the action, or a
// *tasks.ForeignError when an agreement is missing.
func (h *Home) Act(ctx context.Context, id record.ID, r Request) error {
	q := h.service()
	q.Warn = r.Warn
	if err := q.RecoverSoon(ctx); err != nil {
		r.Warn("a run is still in the spool: %v", err)
	}
	v, err := q.Find(string(id))
	if err != nil {
		return err
	}
	e, ok := q.Executors.Get(v.Record.Executor)
	if !ok {
		return fmt.Errorf("task %s: there is no executor %q here: %w", id, v.Record.Executor, record.ErrNotFound)
	}
	act, err := executor.Find(e, r.Action)
	if err != nil {
		return err
	}
	changed, err := q.Act(ctx, v, tasks.Acting{Executor: e, Action: act, Options: r.Options, Out: r.Out, Err: r.Err, Unattended: true, Confirm: r.Agreed.confirm})
	follow(q, changed)
	return err
}

// follow calls q.Follow if the state of a job has changed.
func follow(q *tasks.Service, changed bool) {
	if !changed {
		return
	}
	if err := q.Follow(tasks.AfterRefresh); err != nil {
		q.Warn("%v", err)
	}
}

// Cancel cancels the command of a task or, through its executor, the job that the command has
// started. The error is a *tasks.ForeignError when an agreement is missing.
func (h *Home) Cancel(ctx context.Context, id record.ID, agreed Agreement) error {
	q := h.service()
	v, err := q.Find(string(id))
	if err != nil {
		return err
	}
	job, changed, err := q.Cancel(ctx, v, tasks.Acting{Out: io.Discard, Err: io.Discard, Unattended: true, Confirm: agreed.confirm})
	follow(q, changed)
	var foreign *tasks.ForeignError
	if job && err != nil && ctx.Err() == nil && !errors.As(err, &foreign) {
		return refusal(err.Error())
	}
	return err
}

// A refusal says why an operation was not done. It is a record.ErrConflict, whatever the cause.
type refusal string

// Error implements error.
func (r refusal) Error() string { return string(r) }

// Is makes the error a record.ErrConflict.
func (r refusal) Is(target error) bool { return target == record.ErrConflict }
