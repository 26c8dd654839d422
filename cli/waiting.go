package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"qme/queue"
	"qme/record"
	"qme/tasks"
)

// onWaiting does something with each waiting task that a command line names, once. All are found before anything is
// done.
func onWaiting(ctx context.Context, c *cli.Command, h *home, o *activeQuery, what string, do func(q *queue.Queue, id record.ID, quiet bool) error) error {
	refs, err := o.refs(ctx, c, h, (*record.Record).IsQueued)
	if err != nil || len(refs) == 0 && o.asked() {
		return err
	}
	if len(refs) == 0 {
		return &usageError{msg: c.Name + " which task?", help: "qme queue"}
	}
	q, err := h.changing(ctx)
	if err != nil {
		return err
	}
	var ids []record.ID
	for _, ref := range refs {
		id, err := waitingTask(h, q, ref)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	all := h.queue(q)
	var failed []error
	many := o.many(h.term, len(ids))
	for _, id := range ids {
		failed = append(failed, o.meanwhile(q, id, (*record.Record).IsQueued, many.one(leftMeanwhile(h, q, id, do(all, id, many.quiet)))))
	}
	many.say(what)
	return worst(failed)
}

// waitingTask finds a task that waits. The error wraps record.ErrConflict if it does not.
func waitingTask(h *home, q *tasks.Service, ref string) (record.ID, error) {
	v, err := q.Find(ref)
	if err != nil {
		return "", err
	}
	taken(h.term, ref, v.Record)
	switch rec := v.Record; {
	case rec.IsQueued():
		return rec.UID, nil
	case rec.Active():
		return "", fmt.Errorf("task %s has started: %w; \"qme cancel %s\" ends it", rec.UID, record.ErrConflict, rec.UID)
	default:
		return "", fmt.Errorf("task %s does not wait in the queue, it has ended: %w", rec.UID, record.ErrConflict)
	}
}

// leftMeanwhile says of a task that does not wait any more what has become of it. Other errors stay as they are.
func leftMeanwhile(h *home, q *tasks.Service, id record.ID, err error) error {
	if !errors.Is(err, record.ErrNotFound) {
		return err
	}
	if _, err := waitingTask(h, q, string(id)); errors.Is(err, record.ErrConflict) {
		return err
	}
	return fmt.Errorf("task %s has started meanwhile: %w", id, record.ErrConflict)
}
