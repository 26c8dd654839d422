package tasks

import (
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
	// Files are the tracked files that differ, below the top, sorted. Where the commits differ, and a tree
	// was dirty as well, the files that were dirty in one of them are among these (Dirty), whether they
	// differ or not.
	Files []string
	Dirty bool
}

// mostCommits is how many commits are listed on each side.
const mostCommits = 20

// Code returns how the code of the two runs of a comparison differs: the commits between, as the repository
// of this user has them, and the files. That repository is the one in which the later run took place, if
// this home has recorded that here, and else that of the current directory.
func (q *Service) Code(ctx context.Context, c *Comparison) ([]CodeChange, error) {
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
		change := CodeChange{Name: of.name, From: a.Commit, To: b.Commit}
		then, known := patchOf(c.A, a, of.part)
		now, knownToo := patchOf(c.B, b, of.part)
		switch {
		case a.Commit == b.Commit && (!known || !knownToo):
			continue // a note of the comparison says so
		case a.Commit == b.Commit:
			change.Files = differentSections(then, now)
		default:
			if err := q.between(ctx, c, of.part, &change); err != nil {
				return nil, err
			}
			dirty := append(sectionNames(then), sectionNames(now)...)
			if change.Dirty = len(dirty) > 0; change.Dirty {
				slices.Sort(dirty)
			}
			change.Files = slices.Concat(change.Files, dirty)
			slices.Sort(change.Files)
			change.Files = slices.Compact(change.Files)
		}
		if len(change.Files) > 0 || change.From != change.To {
			changes = append(changes, change)
		}
	}
	return changes, nil
}

// patchOf returns how the working tree of a run differed from its commit; known is false if that is not
// recorded here.
func patchOf(v Version, git *record.Git, part record.PartName) (diff []byte, known bool) {
	p, err := difference(v, codeState{git: git, part: part}, false)
	if err != nil {
		return nil, false
	}
	return p.Diff, true
}

func sectionNames(diff []byte) []string { return namesIn(sections(diff), nil) }

// between sets what lies between the commits of a change.
func (q *Service) between(ctx context.Context, c *Comparison, part record.PartName, change *CodeChange) error {
	dir := "."
	own, err := q.ownCode(c.B)
	if err != nil {
		return err
	}
	state, err := CheckoutOptions{Code: part == record.PartCodePatch}.state(c.B.Record)
	if err == nil && own && worktree.Find(state.dir) != nil { // the record of another user names no path here
		dir = state.dir
	}
	tree, err := treeAt(dir)
	if err == nil {
		change.Commits, err = patch.CommitsBetween(ctx, tree, change.From, change.To, mostCommits)
	}
	if err != nil {
		change.Why = valid(err.Error())
		return nil
	}
	change.Files = change.Commits.Files
	return nil
}
