package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"qme/gitstore/worktree"
	"qme/provenance"
	"qme/provenance/patch"
	"qme/record"
)

// A takenPatch is the difference of a working tree at the beginning of a run. A nil takenPatch is
// none.
type takenPatch struct {
	name  record.PartName // the part that it becomes
	patch *patch.Patch
	err   error
	list  *provenance.List // of its untracked files
	begun bool
	doubt *doubt // nil if the tree is dirty; else there is no patch until it is settled
	last  bool   // whether the run has ended
}

// errNotStored is what a record says of the difference until this is stored in the spool.
var errNotStored = errors.New("it was not stored before qme was killed, or because the disk was full")

// errLate is for git programs that cannot even be killed, because a file server does not respond.
var errLate = fmt.Errorf("git has not ended within %s", patchTime)

// patchTime is how long a command waits at most for its patch. Package patch has a shorter limit, which
// it keeps if git can be killed.
const patchTime = time.Second

// takePatch begins to read the difference of a dirty working tree, that of git, which contains dir.
// The result must be awaited before the command starts if that may change the tree. Until it is
// stored, git says that there is none.
func (q *Service) takePatch(name record.PartName, git *record.Git, finding worktree.Finding, dir string) func() *takenPatch {
	switch {
	case q.Settings.Patch <= 0 || git == nil || git.Commit == "" || git.Dirty != nil && !*git.Dirty:
		return func() *takenPatch { return nil }
	case git.Dirty == nil:
		return q.findOut(name, git, finding, dir)
	}
	git.PatchError = errNotStored.Error()
	done := make(chan *takenPatch, 1)
	most := min(q.Settings.Patch, record.MaxPart/2)
	commit := git.Commit
	go func() {
		t := &takenPatch{name: name}
		tree, err := treeAt(dir)
		if t.err = err; err == nil {
			if t.patch, t.err = patch.Take(context.Background(), tree, commit, most, finding.Submodule); t.err == nil {
				t.look()
			}
		}
		done <- t
	}()
	late := time.Now().Add(patchTime)
	return func() *takenPatch {
		select {
		case t := <-done:
			return t
		case <-time.After(time.Until(late)):
			return &takenPatch{name: name, err: errLate}
		}
	}
}

// treeAt returns the working tree that contains dir. The error is a record.ErrConflict.
func treeAt(dir string) (patch.Tree, error) {
	found := worktree.Find(dir)
	switch {
	case found == nil:
		return patch.Tree{}, fmt.Errorf("%s is in no working tree of git: %w", dir, record.ErrConflict)
	case found.Unclear:
		return patch.Tree{}, fmt.Errorf("the configuration of the repository in %s cannot be read to the end: %w", found.Root, record.ErrConflict)
	}
	return patch.Tree{Root: found.Root, Index: found.Index, Filters: found.Filters}, nil
}

// begin stores the patch, and begins to hash the untracked files. If there is none, git, a part of a
// record of the run, says why.
func (t *takenPatch) begin(r *run, git *record.Git) {
	if t == nil {
		return
	}
	if t.doubt != nil && !t.settle(git) {
		return
	}
	switch t.begun = true; {
	case errors.Is(t.err, errNoDifference):
	case t.err != nil:
		git.PatchError = valid(t.err.Error()) // it is masked with the rest
	default:
		if t.store(r) {
			git.PatchError = ""
		}
		t.hash(r.q.Settings.Hashes)
	}
}

// look looks at the untracked files, before the command may change them.
func (t *takenPatch) look() {
	names := make([]string, len(t.patch.Untracked))
	for i, u := range t.patch.Untracked {
		names[i] = u.Path
	}
	t.list = provenance.NewList(t.patch.Root, names)
}

// hash begins to hash the untracked files, unless it has begun.
func (t *takenPatch) hash(limits provenance.Limits) {
	if t != nil && t.err == nil && t.list != nil {
		t.list.Hash(limits)
	}
}

// end stores the patch again, with the hashes that are there by now.
func (t *takenPatch) end(r *run, git *record.Git) {
	if t == nil {
		return
	}
	if t.last = true; !t.begun { // the command could not be started, or git has not answered
		t.begin(r, git)
	}
	if t.err != nil || len(t.patch.Untracked) == 0 {
		return
	}
	wait := r.q.Settings.Hashes.Wait
	if t.doubt != nil {
		wait = 0 // it may have been settled just now
	}
	files := t.list.Files(time.Now().Add(wait))
	t.patch.Untracked = t.patch.Untracked[:0]
	for _, f := range files {
		t.patch.Untracked = append(t.patch.Untracked, patch.Untracked{Path: f.Path, Size: f.Size, SHA256: f.SHA256, Partial: f.Partial})
	}
	t.store(r)
}

// store stores the patch, and reports whether it is in the spool.
func (t *takenPatch) store(r *run) bool {
	content, err := r.mask.patch(t.name, t.patch).Encode()
	if err != nil {
		r.q.Warn("the difference of the working tree is not recorded: %v", err)
		return false
	}
	return r.part(t.name, content)
}
