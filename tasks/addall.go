package tasks

import (
	"context"
	"fmt"
	"sync"

	"qme/executor"
	"qme/gitstore/worktree"
	"qme/provenance"
	"qme/record"
	"qme/tasks/waiting"
)

// A GroupTask is one of the tasks that AddAll adds together.
type GroupTask struct {
	ID      record.ID // a new one, see record.NewID
	Command executor.Command
	// The others take the place of those in AddOptions; "" for Dir leaves that.
	Dir      string
	Params   record.Params
	Group    *record.Group
	Snapshot *CodeSnapshot
	// Words are the command of a job, as Recognise takes it: see SubmitAll.
	Words []string
}

// AddAll is Add for tasks that are given together, with the rest of the options the same for all. None waits before all of them are on
// the disk. It returns how many do: all of them unless there is an error, else those at the beginning of the list. progress, if not nil, is
// called with the number of tasks that are on their way to the disk.
func (q *Service) AddAll(ctx context.Context, list []GroupTask, o AddOptions, progress func(n int)) (added int, err error) {
	own := q.atOnce()
	recs := make([]*record.Record, 0, len(list))
	added, err = q.Waiting.AddAll(func(yield func(waiting.Addition, error) bool) {
		for i, t := range list {
			a, err := own.addition(t.ID, t.Command, t.options(o))
			if err == nil && ctx.Err() != nil {
				err = fmt.Errorf("this was interrupted: %w", ctx.Err())
			}
			recs = append(recs, a.Record)
			if progress != nil {
				progress(i + 1)
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}, o.Env)
	for _, t := range list[:added] {
		q.holds(t.Snapshot)
	}
	if added > 0 {
		q.noteGiven(recs[:added]...)
	}
	return added, err
}

// atOnce returns the use cases of apart for tasks that are added together.
func (q *Service) atOnce() *Service {
	own := q.apart(nil)
	own.looked = &looked{
		repositories: map[string]*worktree.Repository{}, differences: map[[2]string]*waiting.Code{}, patches: map[string]*takenPatch{},
		machine: sync.OnceValue(provenance.Machine),
	}
	own.Settings.GitState = own.looked.once(own.Settings.GitState)
	return own
}

// options returns the options of one of the tasks.
func (t GroupTask) options(o AddOptions) AddOptions {
	o.Params, o.Group, o.Snapshot = t.Params, t.Group, t.Snapshot
	if t.Dir != "" {
		o.Dir = t.Dir
	}
	return o
}

// A looked is what was seen of the places of tasks that are added together, so that each is looked at once. A nil one looks each time.
type looked struct {
	repositories map[string]*worktree.Repository // by directories; nil for none
	differences  map[[2]string]*waiting.Code     // by roots and names of parts
	patches      map[string]*takenPatch          // of dirty trees, by roots
	machine      func() *record.Machine
	submits      bool // the tasks are submitted at once: see SubmitAll
}

// find is worktree.Find.
func (l *looked) find(dir string) *worktree.Repository {
	if l == nil {
		return worktree.Find(dir)
	}
	r, known := l.repositories[dir]
	if !known {
		r = worktree.Find(dir)
		l.repositories[dir] = r
	}
	return r
}

// root returns the root of the working tree that contains a directory, which is itself if there is none.
func (l *looked) root(dir string) string {
	if r := l.find(dir); r != nil {
		return r.Root
	}
	return dir
}

// once asks for the state of each repository once.
func (l *looked) once(state func(dir string) (*record.Git, worktree.Finding)) func(dir string) (*record.Git, worktree.Finding) {
	type answer struct {
		git     *record.Git
		finding worktree.Finding
	}
	known := map[string]answer{}
	return func(dir string) (*record.Git, worktree.Finding) {
		root := l.root(dir)
		a, ok := known[root]
		if !ok {
			a.git, a.finding = state(dir)
			known[root] = a
		}
		if a.git != nil {
			own := *a.git // which is completed and masked
			a.git = &own
		}
		return a.git, a.finding
	}
}

// difference returns the state of a repository that contains dir, for which look looks.
func (l *looked) difference(part record.PartName, dir string, look func() *waiting.Code) *waiting.Code {
	if l == nil {
		return look()
	}
	key := [2]string{string(part), l.root(dir)}
	code, known := l.differences[key]
	if !known {
		code = look()
		l.differences[key] = code
	}
	return code
}

// took notes the difference of the working tree that contains dir.
func (l *looked) took(part record.PartName, dir string, t *takenPatch) {
	if l != nil && part == record.PartPatch {
		l.patches[l.root(dir)] = t
	}
}

// patch returns the difference of the working tree that contains dir, nil if it was not taken.
func (l *looked) patch(dir string) *takenPatch {
	if l == nil {
		return nil
	}
	return l.patches[l.root(dir)]
}

// theMachine is provenance.Machine.
func (l *looked) theMachine() *record.Machine {
	if l == nil {
		return provenance.Machine()
	}
	own := *l.machine() // which is masked
	return &own
}
