package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"qme/record"
	"qme/tasks"
	"qme/tasks/spool"
	"qme/tasks/waiting"
)

// Hold keeps a waiting task from starting until Release. The error wraps record.ErrNotFound if the task does not
// wait, or has started meanwhile.
func (q *Queue) Hold(ctx context.Context, id record.ID) error {
	return q.Edit(ctx, id, func(e *waiting.Entry, _ *record.Record) error {
		e.Held, e.Why = true, ""
		return nil
	})
}

// Release lets a task start that is held, by Hold or because it could not be started, and reports whether it was. Errors
// are those of Hold.
func (q *Queue) Release(ctx context.Context, id record.ID) (held bool, err error) {
	err = q.Edit(ctx, id, func(e *waiting.Entry, _ *record.Record) error {
		held, e.Held, e.Why = e.Held, false, ""
		return nil
	})
	return held, err
}

// Edit has change alter a waiting task, and wakes the worker. An error of change is returned, and nothing is altered then.
// Other errors are those of Hold.
func (q *Queue) Edit(ctx context.Context, id record.ID, change func(*waiting.Entry, *record.Record) error) error {
	if err := q.Service.CheckSubmitting(id); err != nil {
		return err
	}
	if err := q.Service.Waiting.Change(ctx, id, change); err != nil {
		return err
	}
	return q.Wake(ctx, id)
}

// ReleasePlace lets this place start the tasks that wait for another one, which is named by its host alone or
// as entries name it. It returns which ones. Tasks that have started meanwhile are left alone.
func (q *Queue) ReleasePlace(ctx context.Context, place string) ([]record.ID, error) {
	list, damaged, err := q.read(q.Service.Waiting.IDs)
	if err != nil {
		return nil, err
	}
	here := q.Here().String()
	var ids []record.ID
	for _, t := range list {
		if t.Place == "" || t.Place == here || t.Place != place && ParsePlace(t.Place).Host != place {
			continue
		}
		err := q.Service.Waiting.Change(ctx, t.ID, func(e *waiting.Entry, _ *record.Record) error {
			e.Place = here
			return nil
		})
		switch {
		case err == nil:
			ids = append(ids, t.ID)
		case !errors.Is(err, record.ErrNotFound):
			damaged = append(damaged, err)
		}
	}
	if len(ids) > 0 {
		damaged = append(damaged, q.Wake(ctx, ids...))
	}
	return ids, errors.Join(damaged...)
}

// Pause has no task of queues start any more, given by their names as Name returns them; none means all queues.
// With running, their tasks that run here are stopped until Resume. Pausing what is paused changes nothing else.
func (q *Queue) Pause(ctx context.Context, names []string, running bool) (*State, error) {
	since := record.Now()
	pause := func(old *Pause) *Pause {
		p := Pause{Since: since}
		if old != nil {
			p = *old
		}
		p.Running = p.Running || running
		return &p
	}
	s, err := q.change(ctx, func(s *State) error {
		if len(names) == 0 {
			s.Paused = pause(s.Paused)
		}
		for _, name := range names {
			s.set(name, func(set *Settings) { set.Paused = pause(set.Paused) })
		}
		return nil
	})
	if err != nil || !running {
		return s, err
	}
	return s, q.tellAll(ctx, func(t tasks.Try) bool { p := s.paused(holdingOf(t).Queue); return p != nil && p.Running }, spool.WordStop)
}

// haltedFile is in the folder of a task that has failed and has paused its queue, as long as that folder cannot leave the spool.
const haltedFile = "halted"

// halt pauses the queue of a task that has failed for good, if its entry wishes that. It is called before the task has left the
// spool, so that nothing takes its slot before; and again by each process that finds it there. It pauses the queue once, since
// the user may have resumed that.
func (q *Queue) halt(rec *record.Record, e *waiting.Entry, again bool) {
	halted := q.queuedFile(rec.UID, haltedFile)
	if again || !e.Halt || e.Cancelled || rec.Outcome() == record.OK || there(halted) {
		return
	}
	_, err := q.change(context.Background(), func(s *State) error {
		s.set(e.Queue, func(set *Settings) {
			if set.Paused == nil {
				set.Paused = &Pause{Since: record.Now(), Halted: rec.UID}
			}
		})
		return nil
	})
	if err == nil {
		if err := os.WriteFile(halted, nil, 0o600); err != nil {
			q.Service.Warn("the queue %s may be paused again by the same failure of task %s: %v", Called(e.Queue), rec.UID, err)
		}
	} else {
		q.Service.Warn("the queue %s is not paused after the failure of task %s: %v", Called(e.Queue), rec.UID, err)
	}
}

// Resume takes Pause back, of all queues if none is named. The error wraps record.ErrConflict if a queue is named and all are
// paused together.
func (q *Queue) Resume(ctx context.Context, names []string) (*State, error) {
	s, err := q.change(ctx, func(s *State) error {
		if len(names) > 0 && s.Paused != nil {
			return fmt.Errorf("all queues are paused, not only %s; resume all: %w", Called(names[0]), record.ErrConflict)
		}
		if len(names) == 0 {
			s.Paused = nil
			for called := range s.Queues {
				names = append(names, called)
			}
		}
		for _, name := range names {
			s.set(name, func(set *Settings) { set.Paused = nil })
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = q.tellAll(ctx, func(t tasks.Try) bool { p := s.paused(holdingOf(t).Queue); return p == nil || !p.Running }, spool.WordContinue)
	return s, errors.Join(err, q.Wake(ctx))
}

// Stop pauses queues, none named means all, and ends what runs in them, as "qme cancel" does. It returns what it has
// told to end. That is also done if the pause cannot be stored, as on a full disk: the error says so then.
func (q *Queue) Stop(ctx context.Context, names []string) (told []record.ID, err error) {
	_, unpaused := q.Pause(ctx, names, false)
	tries, err := q.Service.Tries()
	for _, t := range tries {
		if len(names) > 0 && !slices.Contains(names, holdingOf(t).Queue) {
			continue
		}
		if cerr := q.tell(ctx, t.ID, spool.WordCancel); errors.Is(cerr, record.ErrNotFound) {
			continue // it has ended
		} else if cerr != nil {
			err = errors.Join(err, cerr)
		} else {
			told = append(told, t.ID)
		}
	}
	if unpaused != nil {
		err = errors.Join(fmt.Errorf("the queue is not paused, so what waits in it can start: %w", unpaused), err)
	}
	return told, err
}

// tellAll tells the tries for which that is so something. Those of other machines, and those that have ended, do not
// hear it.
func (q *Queue) tellAll(ctx context.Context, which func(tasks.Try) bool, word spool.Word) error {
	tries, err := q.Service.Tries()
	for _, t := range tries {
		if !which(t) {
			continue
		}
		if terr := q.tell(ctx, t.ID, word); terr != nil && !errors.Is(terr, record.ErrNotFound) {
			err = errors.Join(err, terr)
		}
	}
	return err
}

const (
	tellTime  = 2 * time.Second // for a try that listens in a moment, or has just ended
	tellPause = 10 * time.Millisecond
)

// tell is tasks.Service.TellTry, also for a try that is just beginning. The error wraps record.ErrNotFound if its command has
// ended, and record.ErrConflict if no process hears it.
func (q *Queue) tell(ctx context.Context, id record.ID, word spool.Word) error {
	for until := time.Now().Add(tellTime); ; {
		err := q.Service.TellTry(ctx, id, word)
		if !errors.Is(err, record.ErrConflict) || time.Now().After(until) {
			return err
		}
		// It does not listen before its command starts, and no longer when that has ended.
		if rec, gerr := q.Service.Spool.Get(id, 0); gerr != nil {
			return gerr
		} else if rec.Data.Status != record.Running {
			return fmt.Errorf("task %s is not running: %w", id, record.ErrNotFound)
		}
		if !pause(ctx, tellPause) {
			return ctx.Err()
		}
	}
}
