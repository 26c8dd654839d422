package tasks

import (
	"errors"
	"fmt"
	"time"

	"qme/gitstore/worktree"
	"qme/provenance"
	"qme/provenance/patch"
	"qme/record"
)

// A takenPatch is the difference of the working tree at the beginning of a run.
type takenPatch struct {
	patch *patch.Patch
	err   error
	list  *provenance.List // of its untracked files; nil before they are hashed
}

// errNotStored is what a record says of the difference until this is stored in the spool.
var errNotStored = errors.New("it was not stored before qme was killed, or because the disk was full")

// takePatch begins to read the difference of a dirty working tree. The result must be awaited before
// the command starts, which may change the tree. Until it is stored, the record says that there is none.
func (q *Service) takePatch(rec *record.Record, dir string) func() *takenPatch {
	git := rec.Data.Git
	switch {
	case q.Settings.Patch <= 0 || git == nil || git.Commit == "" || git.Dirty != nil && !*git.Dirty:
		return func() *takenPatch { return nil }
	case git.Dirty == nil:
		err := errors.New("whether the tree is dirty was not found out in time")
		git.PatchError = err.Error()
		return func() *takenPatch { return &takenPatch{err: err} }
	}
	git.PatchError = errNotStored.Error()
	done := make(chan *takenPatch, 1)
	most := min(q.Settings.Patch, record.MaxPart/2)
	go func() {
		t := new(takenPatch)
		tree, err := treeAt(dir)
		if t.err = err; err == nil {
			t.patch, t.err = patch.Take(tree, git.Commit, most)
		}
		done <- t
	}()
	return func() *takenPatch { return <-done }
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
	return patch.Tree{Root: found.Root, Filters: found.Filters}, nil
}

// begin stores the patch, and begins to hash the untracked files.
func (t *takenPatch) begin(r *run) {
	switch {
	case t == nil:
	case t.err != nil:
		r.rec.Data.Git.PatchError = r.mask.text(valid(t.err.Error()))
	default:
		if t.store(r) {
			r.rec.Data.Git.PatchError = ""
		}
		names := make([]string, len(t.patch.Untracked))
		for i, u := range t.patch.Untracked {
			names[i] = u.Path
		}
		t.list = provenance.NewList(t.patch.Root, names, r.q.Settings.Hashes)
	}
}

// end stores the patch again, with the hashes that are there by now.
func (t *takenPatch) end(r *run) {
	if t != nil && t.list == nil { // the command could not be started
		t.begin(r)
	}
	if t == nil || t.list == nil || len(t.patch.Untracked) == 0 {
		return
	}
	files := t.list.Files(time.Now().Add(r.q.Settings.Hashes.Wait))
	t.patch.Untracked = t.patch.Untracked[:0]
	for _, f := range files {
		t.patch.Untracked = append(t.patch.Untracked, patch.Untracked{Path: f.Path, Size: f.Size, SHA256: f.SHA256, Partial: f.Partial})
	}
	t.store(r)
}

// store stores the patch, and reports whether it is in the spool.
func (t *takenPatch) store(r *run) bool {
	content, err := r.mask.patch(t.patch).Encode()
	if err != nil {
		r.q.Warn("the difference of the working tree is not recorded: %v", err)
		return false
	}
	return r.part(record.PartPatch, content)
}
