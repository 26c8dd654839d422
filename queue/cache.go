package queue

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

// A shelf has the waiting tasks in memory, so that 10,000 of them cost nothing while nothing changes.
type shelf struct {
	q      *Queue
	order  []*Task // in the order of before
	tasks  map[record.ID]*Task
	stamps map[record.ID]wholefile.Stamp // of those that were read, also if they are damaged
	folder wholefile.Stamp               // of the folder when it was listed
	listed time.Time
}

func newShelf(q *Queue) *shelf {
	return &shelf{q: q, tasks: map[record.ID]*Task{}, stamps: map[record.ID]wholefile.Stamp{}}
}

// stampOf returns the stamp of a path, the zero Stamp also if it cannot be looked at.
func stampOf(path string) wholefile.Stamp {
	s, _ := wholefile.StampOf(regular.NewFS(), path) // what cannot be looked at is read, which tells the error
	return s
}

// tick is how long two changes of a folder may have the same time.
const tick = 50 * time.Millisecond

// refresh reads the tasks anew that have come or changed, and drops those that have gone. Without force it does so only
// if the names in the folder may have changed.
func (s *shelf) refresh(force bool) error {
	folder := stampOf(s.q.Service.Waiting.Dir())
	if !force && folder == s.folder && s.listed.Sub(folder.Time) > tick {
		return nil
	}
	listed := time.Now()
	ids, err := s.q.Service.Waiting.IDs()
	if err != nil {
		return err
	}
	there := make(map[record.ID]bool, len(ids))
	var fresh []*Task
	for _, id := range ids {
		there[id] = true
		known, ok := s.stamps[id]
		if ok && !force {
			continue
		}
		if now := s.stampOf(id); ok && now == known {
			continue
		}
		if t := s.read(id); t != nil {
			fresh = append(fresh, t)
		}
	}
	s.order = slices.DeleteFunc(s.order, func(t *Task) bool { return !there[t.ID] || s.tasks[t.ID] != t })
	for id := range s.stamps {
		if !there[id] {
			s.forget(id)
		}
	}
	s.order = sorted(append(s.order, fresh...))
	s.folder, s.listed = folder, listed
	return nil
}

func (s *shelf) stampOf(id record.ID) wholefile.Stamp {
	return stampOf(filepath.Join(s.q.Service.Waiting.Dir(), string(id)))
}

// read reads a task, and returns nil if it does not wait or cannot be read.
func (s *shelf) read(id record.ID) *Task {
	at := s.stampOf(id)
	t, err := s.q.task(id)
	switch {
	case errors.Is(err, record.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		s.forget(id)
		return nil
	case err != nil:
		s.stamps[id] = at
		delete(s.tasks, id)
		return nil
	}
	s.stamps[id], s.tasks[id] = at, t
	return t
}

func (s *shelf) forget(id record.ID) {
	delete(s.stamps, id)
	delete(s.tasks, id)
}

// look reads one task anew.
func (s *shelf) look(id record.ID) {
	s.drop(id)
	if t := s.read(id); t != nil {
		i, _ := slices.BinarySearchFunc(s.order, t, before)
		s.order = slices.Insert(s.order, i, t)
	}
}

// damaged leaves a task out until its folder has changed.
func (s *shelf) damaged(id record.ID) {
	at := s.stamps[id]
	s.drop(id)
	s.stamps[id] = at
}

// drop forgets a task that has started.
func (s *shelf) drop(id record.ID) {
	if t := s.tasks[id]; t != nil {
		if i, ok := slices.BinarySearchFunc(s.order, t, before); ok {
			s.order = slices.Delete(s.order, i, i+1)
		}
	}
	s.forget(id)
}
