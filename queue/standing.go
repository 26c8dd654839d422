package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"qme/record"
	"qme/tasks/waiting"
)

// A Standing says where a task stands in the queue, without a look at all that wait.
type Standing struct {
	// Reason is why it waits, as if it were the only one. Its word is empty if it could start.
	Reason Reason
	// Others says that other tasks wait, in any queue.
	Others bool
}

// Standing returns where a task stands that was just added. What it costs does not depend on how many tasks wait.
func (q *Queue) Standing(ctx context.Context, id record.ID) (s Standing, err error) {
	t, err := q.task(id)
	if errors.Is(err, record.ErrNotFound) {
		return s, nil // it has started
	} else if err != nil {
		return s, err
	}
	state, err := q.State()
	if err != nil {
		return s, err
	}
	tries, err := q.Service.Tries()
	if err != nil {
		return s, err
	}
	s.Reason = Plan(q.situation([]*Task{t}, tries, state)).Reasons[id]
	n, err := q.Service.Waiting.Count(2)
	s.Others = n > 1
	return s, errors.Join(err, ctx.Err())
}

// NoCycle returns an error if a waiting task would wait for itself, directly or through others, with the tasks for
// which it is to wait. It wraps record.ErrConflict.
func (q *Queue) NoCycle(id record.ID, after []waiting.After) error {
	from := map[record.ID]record.ID{} // which task has led to another one
	next := []record.ID{}
	reach := func(by record.ID, list []waiting.After) {
		for _, a := range list {
			if _, known := from[a.Task]; !known {
				from[a.Task] = by
				next = append(next, a.Task)
			}
		}
	}
	for reach("", after); len(next) > 0; {
		one := next[0]
		next = next[1:]
		if one == id {
			return cycle(id, from)
		}
		e, err := q.Service.Waiting.Entry(one)
		switch {
		case err == nil:
			reach(one, e.After)
		case !errors.Is(err, record.ErrNotFound): // what has started waits for nothing
			return err
		}
	}
	return nil
}

// mostNamed is how many tasks the error of NoCycle names of those through which a task would wait for itself.
const mostNamed = 3

// cycle is the error of NoCycle.
func cycle(id record.ID, from map[record.ID]record.ID) error {
	var way []string
	for at := from[id]; at != ""; at = from[at] {
		way = append(way, string(at))
	}
	if len(way) == 0 {
		return fmt.Errorf("task %s cannot wait for itself: %w", id, record.ErrConflict)
	}
	slices.Reverse(way) // the task was reached last
	more := len(way) - mostNamed
	text := strings.Join(way[:min(len(way), mostNamed)], ", that after ")
	if more > 0 {
		text += fmt.Sprintf(", and so on through %d more", more)
	}
	return fmt.Errorf("task %s would wait for itself: it is to start after %s: %w", id, text, record.ErrConflict)
}
