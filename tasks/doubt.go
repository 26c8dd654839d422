package tasks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"qme/gitstore/worktree"
	"qme/provenance/patch"
	"qme/record"
)

// A doubt is the question whether a tree was dirty when a run began, which the git program answers
// beside the command. Nobody waits for it.
type doubt struct {
	reason string // why it was not found out before
	stop   context.CancelFunc
	answer chan *settled // with room for one
	got    *settled      // nil if there is no answer yet
	// started is when the command may first have changed the tree; zero if the answer came before.
	started time.Time
}

// A settled is the answer of git. Its times say what of it a command may have made.
type settled struct {
	err         error // why there is none
	dirty       bool
	taken       takenPatch // if it is dirty
	first, last time.Time  // when what differs was changed
	index       time.Time  // when the index was written
}

// doubtPause is how long after the beginning of a run git is started, so that it costs a run nothing that
// ends at once.
const doubtPause = 100 * time.Millisecond

// clockTick is more than the steps in which the times of files advance.
const clockTick = 20 * time.Millisecond

// errNoDifference is for a tree that is clean after all.
var errNoDifference = errors.New("no difference")

// findOut is takePatch for a tree of which it is not known whether it is dirty.
func (q *Service) findOut(name record.PartName, git *record.Git, finding worktree.Finding, dir string) func() *takenPatch {
	d := &doubt{reason: finding.Doubt, answer: make(chan *settled, 1)}
	t := &takenPatch{name: name, doubt: d}
	if finding.Ended == nil { // it is not to be found out
		t.err = errors.New(d.because(""))
		git.PatchError = t.err.Error()
		return func() *takenPatch { return t }
	}
	git.PatchError = d.because("qme has not ended the run")
	ctx, stop := context.WithTimeout(context.Background(), doubtPause+patchTime)
	d.stop = stop
	commit := git.Commit
	go func() {
		defer stop()
		select {
		case <-time.After(doubtPause):
		case <-ctx.Done():
		}
		select {
		case <-finding.Ended:
			d.answer <- q.differs(ctx, dir, commit)
		case <-ctx.Done(): // no git where a file server does not respond
			d.answer <- &settled{err: errors.New("the files do not respond")}
		}
	}()
	return func() *takenPatch {
		if !d.arrived() {
			d.started = time.Now()
		}
		return t
	}
}

// because says why it is not known whether the tree was dirty.
func (d *doubt) because(more string) string {
	text := "whether the tree was dirty is not known: " + d.reason
	if more != "" {
		text += ", and " + more
	}
	return text
}

// arrived reports whether there is an answer, without waiting.
func (d *doubt) arrived() bool {
	if d.got == nil {
		select {
		case d.got = <-d.answer:
		default:
		}
	}
	return d.got != nil
}

// await waits for the answer, for as long as git may take.
func (d *doubt) await() {
	if !d.arrived() {
		select {
		case d.got = <-d.answer:
		case <-time.After(doubtPause + patchTime):
		}
	}
}

// differs has git find out how a tree differs from a commit.
func (q *Service) differs(ctx context.Context, dir, commit string) *settled {
	s := &settled{}
	tree, err := treeAt(dir)
	if err != nil {
		return &settled{err: err}
	}
	paths, known, err := patch.Differing(ctx, tree, commit)
	if err == nil && !known {
		err = errors.New("submodules are not looked into")
	}
	if err != nil {
		return &settled{err: err}
	}
	if s.dirty = len(paths) > 0; s.dirty {
		s.taken.patch, s.taken.err = patch.Take(ctx, tree, commit, min(q.Settings.Patch, record.MaxPart/2), "")
		if s.taken.err == nil {
			s.taken.look()
			s.taken.hash(q.Settings.Hashes)
		}
		if s.first, s.last, err = tree.Times(paths); err != nil {
			return &settled{err: err}
		}
	}
	info, err := os.Stat(tree.Index)
	if err != nil {
		return &settled{err: err}
	}
	s.index = info.ModTime()
	return s
}

// settle puts the answer into git, a part of a record of the run, and reports whether that is final.
func (t *takenPatch) settle(git *record.Git) bool {
	d := t.doubt
	switch {
	case t.err != nil && d.got == nil: // nothing more is expected
		return true
	case !d.arrived() && !t.last:
		return false
	case !d.arrived():
		d.stop()
		t.err = errors.New(d.because("the command ended before git had answered"))
		return true
	}
	s := d.got
	early := func(changed time.Time) bool {
		return d.started.IsZero() || changed.Before(d.started.Add(-clockTick))
	}
	switch {
	case s.err != nil:
		t.err = fmt.Errorf("%s", d.because(s.err.Error()))
	case s.dirty && !early(s.first), !s.dirty && !early(s.index):
		t.err = errors.New(d.because("the command may have changed it before git had answered"))
	case !s.dirty:
		git.Dirty, git.PatchError, t.err = new(false), "", errNoDifference
	case !early(s.last):
		git.Dirty, t.err = new(true), errors.New("the command may have changed files before git had read them")
	default:
		git.Dirty = new(true)
		t.patch, t.list, t.err = s.taken.patch, s.taken.list, s.taken.err
	}
	return true
}
