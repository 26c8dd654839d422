package tasks

import (
	"bytes"
	"context"
	"slices"

	"qme/gitstore/worktree"
	"qme/provenance/patch"
	"qme/record"
)

// A CodeChange says how the code of two runs differs, of one of their repositories.
type CodeChange struct {
	Name string // "git", of the directory, or "code", of the script
	// From and To are the commits.
	From, To string
	// Commits are what lies between them; nil if they are the same, or Why says why it is not known.
	Commits *patch.Commits
	Why     string
	// Files are the tracked files that differ, below the top, sorted. If they are not Exact, that is as far as
	// it is known here: of files that were not committed, the content may be missing, or the repository.
	Files []string
	Exact bool
	// Diff is the difference, as git prints it, if it was asked for, the files are Exact, and it has at most
	// longestCodeDiff bytes.
	Diff []byte
}

// longestCodeDiff bounds CodeChange.Diff.
const longestCodeDiff = 4 << 20

// mostCommits is how many commits are listed on each side.
const mostCommits = 20

// Code returns how the code of the two runs of a comparison differs: the commits between, as the repository
// of this user has them, and the files, with their difference if withDiff. That repository is the one in which
// the later run took place, if this home has recorded that here, and else that of the current directory.
func (q *Service) Code(ctx context.Context, c *Comparison, withDiff bool) ([]CodeChange, error) {
	var changes []CodeChange
	for _, of := range []struct {
		name string
		part record.PartName
		git  func(*record.Record) *record.Git
	}{
		{"git", record.PartPatch, func(r *record.Record) *record.Git { return r.Data.Git }},
		{"code", record.PartCodePatch, func(r *record.Record) *record.Git { return r.Data.Code }},
	} {
		a, b := of.git(c.A.Record), of.git(c.B.Record)
		if a == nil || b == nil || a.Commit == "" || b.Commit == "" {
			continue
		}
		then, errThen := difference(c.A, codeState{git: a, part: of.part}, false)
		now, errNow := difference(c.B, codeState{git: b, part: of.part}, false)
		known := errThen == nil && errNow == nil
		if a.Commit == b.Commit && (!known || bytes.Equal(then.Diff, now.Diff)) {
			continue // what is not known, a note of the comparison says
		}
		change := CodeChange{Name: of.name, From: a.Commit, To: b.Commit}
		tree, err := q.treeOf(c.B, of.part)
		if err == nil && a.Commit != b.Commit {
			change.Commits, err = patch.CommitsBetween(ctx, tree, a.Commit, b.Commit, mostCommits)
		}
		if err != nil && a.Commit != b.Commit {
			change.Why = valid(err.Error())
		}
		if err != nil || !known || !change.exact(ctx, tree, then, now, withDiff) {
			change.guess(then, now)
		}
		if len(change.Files) > 0 || change.From != change.To {
			changes = append(changes, change)
		}
	}
	return changes, nil
}

// treeOf returns a working tree of the repository of a run.
func (q *Service) treeOf(v Version, part record.PartName) (patch.Tree, error) {
	dir := "."
	own, err := q.ownCode(v)
	if err != nil {
		return patch.Tree{}, err
	}
	state, err := CheckoutOptions{Code: part == record.PartCodePatch}.state(v.Record)
	if err == nil && own && worktree.Find(state.dir) != nil { // the record of another user names no path here
		dir = state.dir
	}
	return treeAt(dir)
}

// exact sets the files as git finds them, and reports whether it could.
func (c *CodeChange) exact(ctx context.Context, tree patch.Tree, then, now *patch.Patch, withDiff bool) bool {
	most := int64(0)
	if withDiff {
		most = longestCodeDiff
	}
	got, err := patch.Compare(ctx, tree, then, now, most)
	if err != nil {
		return false // as for a difference in which something is masked
	}
	c.Files, c.Diff, c.Exact = got.Files, got.Diff, true
	return true
}

// guess sets the files as far as they are known: those that differ between the commits, and those that were
// not committed, unless the commits are the same and these are, too.
func (c *CodeChange) guess(then, now *patch.Patch) {
	if c.From == c.To {
		c.Files, c.Exact = differentSections(then.Diff, now.Diff), true
		return
	}
	if c.Commits != nil {
		c.Files = slices.Clone(c.Commits.Files)
	}
	for _, p := range []*patch.Patch{then, now} {
		if p != nil {
			c.Files = append(c.Files, namesIn(sections(p.Diff), nil)...)
		}
	}
	slices.Sort(c.Files)
	c.Files = slices.Compact(c.Files)
}
