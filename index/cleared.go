package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"qme/record"
)

// The index keeps the runs of tasks that were cleared, as of their last removal: package record
// says which that is. A search finds either these or what is there, by its scope.

// errGap says that the index may lack tasks that were cleared.
var errGap = errors.New("which tasks were cleared is not known")

// setGap notes why tasks that were cleared may be missing, if there is a reason.
func (w *writer) setGap(err error) {
	if err != nil {
		w.gap = err.Error()
	}
}

func idsOf(list []record.Clearing) []record.ID {
	ids := make([]record.ID, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	return ids
}

// clearedSince returns the tasks that were cleared after the commit of the index. The error wraps
// errUnusable when that is no part of the history, as after a reset.
func (s *Search) clearedSince(ctx context.Context, o *opened) (record.Cleared, error) {
	if o.Commit == s.Source.Commit() {
		return record.Cleared{}, nil
	}
	c, err := s.Source.Cleared(ctx, o.Commit)
	if errors.Is(err, record.ErrNotFound) {
		err = fmt.Errorf("%w: %w", errUnusable, err)
	}
	return c, err
}

// later returns those of some removals that the index does not have. Where it has another one of
// the same task, all of the history is asked which is the last; with Ready it is the one after the
// commit of the index.
func (s *Search) later(ctx context.Context, r *reader, list []record.Clearing) (later []record.Clearing, err error) {
	if r.cleared == 0 {
		return list, nil
	}
	last := sync.OnceValues(func() (map[record.ID]record.Clearing, error) {
		all, err := s.Source.Cleared(ctx, "")
		last := make(map[record.ID]record.Clearing, len(all.Tasks))
		for _, c := range all.Tasks {
			last[c.ID] = c
		}
		return last, err
	})
	for _, c := range list {
		known, err := r.removal(c.ID)
		if err != nil {
			return nil, err
		}
		if known != nil && !s.Ready {
			all, err := last()
			if err != nil {
				return nil, err
			}
			if c = all[c.ID]; c.Commit == known.Commit && c.Before == known.Before {
				continue
			}
		}
		later = append(later, c)
	}
	return later, nil
}

// removal returns the removal of a task that the index has, nil if there is none.
func (r *reader) removal(id record.ID) (*record.Clearing, error) {
	var list []hit
	err := guard(func() (err error) {
		list, err = r.documents(context.Background(), scope{cleared: yes}, r.oneOf(taskField, taskKey(id)))
		return err
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return r.removalOf(list[0])
}

// removalOf returns the removal of a run's task.
func (r *reader) removalOf(d hit) (*record.Clearing, error) {
	s, err := r.stored(d, false)
	if err == nil && s.cleared == nil {
		err = errDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return s.cleared, nil
}

// namesOf returns the names of all documents of some tasks.
func (r *reader) namesOf(ids []record.ID) ([]string, error) {
	var names []string
	for _, id := range ids {
		list, err := r.documentsOf(id)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			names = append(names, d.String())
		}
	}
	return names, nil
}

// askCleared is the rest of ask for a search of what was cleared.
func (a *answer) askCleared(ctx context.Context, changed []record.ID) error {
	c, err := a.s.clearedSince(ctx, a.o)
	if err != nil {
		return err
	}
	if c.Gap == nil && a.o.Gap != "" {
		all, err := a.s.Source.Cleared(ctx, "")
		if err == nil && all.Gap == nil { // as after a shallow clone has got the remainder
			err = fmt.Errorf("%w: it may lack tasks that were cleared", errUnusable)
		}
		if err != nil {
			return err
		}
	}
	if c.Gap != nil || a.o.Gap != "" {
		return errGap
	}
	r, err := newReader(a.s, a.o, nil, nil)
	if err != nil {
		return err
	}
	if a.cleared, err = a.s.later(ctx, r, a.s.notAdded(c.Tasks)); err != nil {
		return err
	}
	ids := idsOf(a.cleared)
	if a.reader, err = newReader(a.s, a.o, append(changed, ids...), ids); err != nil {
		return err
	}
	over, unreadable, err := a.reader.summary()
	if err != nil {
		return err
	}
	for _, d := range unreadable {
		one, err := a.reader.removalOf(d)
		if err != nil {
			return err
		}
		a.cleared = append(a.cleared, *one)
	}
	a.count(over, idsOf(a.cleared))
	return nil
}

// lookedCleared yields the cleared tasks that the index does not have as they were.
func (a *answer) lookedCleared() iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for f := range a.s.cleared(a.cleared, a.s.brief()) {
			err := guard(func() (err error) { f.Unique, err = a.reader.unique(f.ID); return err })
			if err != nil && f.Err == nil {
				f = Found{Result: record.Result{Err: err}}
			}
			if !yield(f) {
				return
			}
		}
	}
}

// notAdded leaves out tasks that are there, as runs that are not in the history yet.
func (s *Search) notAdded(list []record.Clearing) []record.Clearing {
	added := map[record.ID]bool{}
	for _, r := range s.Added {
		added[r.Record.UID] = true
	}
	return slices.DeleteFunc(list, func(c record.Clearing) bool { return added[c.ID] })
}

// scanCleared is Scan for a search of what was cleared.
func (s *Search) scanCleared(ctx context.Context) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		c, err := s.Source.Cleared(ctx, "")
		if err != nil {
			yield(Found{Result: record.Result{Err: err}})
			return
		}
		list := s.notAdded(c.Tasks)
		together := map[string][]record.ID{} // the tasks of a millisecond
		for _, one := range list {
			together[one.ID.Millisecond()] = append(together[one.ID.Millisecond()], one.ID)
		}
		tasks := func(yield func(Found) bool) {
			for f := range s.cleared(list, s.brief()) {
				f.Unique = f.ID.Unique(together[f.ID.Millisecond()]...)
				if !yield(f) {
					return
				}
			}
		}
		for _, f := range s.sorted(s.match(ctx, s.withEarlier(tasks))) {
			if !yield(f) || f.ID == "" {
				return
			}
		}
		if c.Gap != nil {
			yield(Found{Result: record.Result{Err: fmt.Errorf("there may be more tasks that were cleared: %w", c.Gap)}})
		}
	}
}

// cleared yields the last records of tasks that were cleared.
func (s *Search) cleared(list []record.Clearing, brief bool) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for len(list) > 0 {
			n := 1
			for n < len(list) && list[n].Before == list[0].Before {
				n++
			}
			for f := range s.clearedTogether(list[:n], brief) {
				if !yield(f) {
					return
				}
			}
			list = list[n:]
		}
	}
}

// clearedTogether yields those of one commit. Each is yielded, be it with an error.
func (s *Search) clearedTogether(list []record.Clearing, brief bool) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		left := map[record.ID]record.Clearing{}
		for _, c := range list {
			left[c.ID] = c
		}
		from, err := s.Source.At(list[0].Before)
		if err == nil {
			for res := range from.Select(idsOf(list), brief) {
				c, ok := left[res.ID]
				if res.ID == "" {
					err = res.Err
				}
				if !ok {
					continue
				}
				delete(left, res.ID)
				f := s.stored(from, res)
				f.Cleared, f.Unique = &c, 0
				if !yield(f) {
					return
				}
			}
		}
		for _, c := range list {
			if _, ok := left[c.ID]; !ok {
				continue
			}
			if err == nil {
				err = fmt.Errorf("commit %s does not have it: %w", c.Before, record.ErrCorrupt)
			}
			f := s.stored(from, record.Result{ID: c.ID, Err: fmt.Errorf("task %s, which was cleared: %w", c.ID, err)})
			if f.Cleared = &c; !yield(f) {
				return
			}
		}
	}
}

// clearedTask yields the last record of a task that was cleared.
func (s *Search) clearedTask(ctx context.Context, id record.ID, c *record.Clearing) iter.Seq[Found] {
	if c != nil {
		return s.cleared([]record.Clearing{*c}, false)
	}
	return func(yield func(Found) bool) {
		all, err := s.Source.Cleared(ctx, "")
		for _, one := range all.Tasks {
			if one.ID == id {
				s.cleared([]record.Clearing{one}, false)(yield)
				return
			}
		}
		if err == nil {
			err = fmt.Errorf("task %s: %w", id, record.ErrNotFound)
		}
		yield(Found{Result: record.Result{ID: id, Err: err}})
	}
}
