package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"qme/gitstore/worktree"
	"qme/internal/mask"
	"qme/provenance/patch"
	"qme/record"
)

// CheckoutOptions are the options of Checkout.
type CheckoutOptions struct {
	// Code says that the repository is the one in which the script of the run lies, not that in
	// which the run took place.
	Code bool
	// Repo is a directory in a working tree of the repository. If empty, it is the directory in
	// which the run of this user took place, or in which its script lies, and for another's run the
	// current one.
	Repo string
	// CommitOnly leaves out the difference of the working tree.
	CommitOnly bool
	// Confirm, if not nil, is called for a run whose code, as its record has it, this user has not
	// recorded in this home. given says whether its command was given here.
	Confirm func(rec *record.Record, given bool) error
}

// A CheckedOut is the result of Checkout.
type CheckedOut struct {
	Dir     string          `json:"dir"` // the new working tree
	Commit  string          `json:"commit"`
	Patched bool            `json:"patched"` // whether it has the difference of the tree
	Missing []patch.Missing `json:"missing"`
	// More is how many untracked files were not even recorded by name.
	More int `json:"more,omitempty"`
	// Masked are the names of the secrets in whose place files have markers, since they are masked
	// in the record.
	Masked []string `json:"masked,omitempty"`
}

// ErrNoPatch says that the tree of a run differed from its commit, and it is not known how. It is a
// record.ErrConflict.
var ErrNoPatch = fmt.Errorf("how the working tree differed from its commit is not recorded here: %w", record.ErrConflict)

// ErrOnlyCode says that a run did not take place in a git repository, and its script lies in one. It is
// a record.ErrConflict.
var ErrOnlyCode = fmt.Errorf("its record names no commit of the repository of its directory, only one of that of its script: %w", record.ErrConflict)

// ErrNoTree says that the repository of a run was looked for, since none was named, and is not there.
// It is a record.ErrConflict.
var ErrNoTree = fmt.Errorf("the repository was not found: %w", record.ErrConflict)

// mostMissing bounds what is listed as missing, of each kind.
const mostMissing = 1000

// A codeState is the state of one of the repositories of a run, as its record has it.
type codeState struct {
	git  *record.Git
	part record.PartName
	dir  string // in the working tree
}

// state returns the state that is to be brought back. The error is a record.ErrConflict if there is
// none.
func (o CheckoutOptions) state(rec *record.Record) (codeState, error) {
	if rec.IsQueued() {
		return codeState{}, fmt.Errorf("task %s waits in the queue, and has not run with any code: %w (\"qme wait %s\" waits for it)", rec.UID, record.ErrConflict, rec.UID)
	}
	s, where := codeState{rec.Data.Git, record.PartPatch, rec.Data.PWD}, "of a git repository"
	if o.Code {
		s, where = codeState{git: rec.Data.Code, part: record.PartCodePatch}, "of another repository for its script"
	}
	if code := rec.Data.Code; !o.Code && (s.git == nil || s.git.Commit == "") && code != nil && code.Commit != "" {
		return s, fmt.Errorf("task %s: %w", rec.UID, ErrOnlyCode)
	}
	if s.git == nil || s.git.Commit == "" {
		return s, fmt.Errorf("task %s: its record names no commit %s: %w", rec.UID, where, record.ErrConflict)
	}
	if o.Code {
		s.dir = filepath.Dir(s.git.Path)
	}
	return s, nil
}

// Checkout brings back the state of a git repository of a run, as a working tree in dir, which must not
// exist. The error wraps record.ErrConflict if that cannot be done here; see patch.CommitError,
// ErrNoPatch, ErrOnlyCode and ErrNoTree.
func (q *Service) Checkout(ctx context.Context, v Version, dir string, o CheckoutOptions) (*CheckedOut, error) {
	rec := v.Record
	state, err := o.state(rec)
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("%s is there already: %w", dir, record.ErrConflict)
	}
	own, err := q.ownCode(v)
	if err != nil {
		return nil, err
	}
	if !own && o.Confirm != nil {
		given, err := q.Own(rec)
		if err != nil {
			return nil, err
		}
		if err := o.Confirm(rec, given); err != nil {
			return nil, err
		}
	}
	p, err := difference(v, state, o.CommitOnly)
	if err != nil {
		return nil, err
	}
	repo := cmp.Or(o.Repo, ".")
	if o.Repo == "" && own && worktree.Find(state.dir) != nil { // the record of another user names no path here
		repo = state.dir
	}
	tree, err := treeAt(repo)
	if err != nil && o.Repo == "" {
		return nil, fmt.Errorf("%w: %w", ErrNoTree, err)
	}
	if err != nil {
		return nil, err
	}
	masked := maskedIn(rec, p.Diff)
	missing, err := patch.Checkout(ctx, tree, dir, p, mostMissing)
	if errors.Is(err, record.ErrInvalid) && len(masked) > 0 {
		return nil, fmt.Errorf("task %s: %w (it has secrets that are masked: %s)", rec.UID, err, strings.Join(masked, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", rec.UID, err)
	}
	return &CheckedOut{Dir: dir, Commit: p.Commit, Patched: len(p.Diff) > 0, Missing: append([]patch.Missing{}, missing...), More: p.More, Masked: masked}, nil
}

// maskedIn returns the names of the secrets that are masked in a text of a record, sorted.
func maskedIn(rec *record.Record, text []byte) []string {
	found := mask.Counts{}
	for _, m := range mask.Markers(string(text)) {
		if rec.Data.Masked[m.Name] > 0 {
			found[m.Name]++
		}
	}
	return found.Names()
}

// ownCode reports whether this home has recorded the code of a run, for this user and on this machine:
// the run is in the spool, which no pull writes, or its record is unchanged in that since. That the
// command was given here does not suffice, because a pull can bring another record of the task.
func (q *Service) ownCode(v Version) (bool, error) {
	rec := v.Record
	if rec.Data.User != valid(q.Settings.User) || rec.Data.Host != valid(q.Settings.Host) {
		return false, nil
	}
	if v.Uncommitted() {
		return q.Own(rec)
	}
	return q.Given.HasCode(rec)
}

// noteCode notes the code of a run of this home, before its record is in the history. A failure is
// only a warning.
func (q *Service) noteCode(rec *record.Record) {
	if rec.Data.Git == nil && rec.Data.Code == nil {
		return
	}
	if err := q.Given.AddCode(rec); err != nil {
		q.Warn("the code of this run will not be known as one that this home has recorded: %v", err)
	}
}

// difference returns the state of a working tree of a run.
func difference(v Version, state codeState, commitOnly bool) (*patch.Patch, error) {
	git := state.git
	if commitOnly || git.Dirty != nil && !*git.Dirty {
		return &patch.Patch{Commit: git.Commit}, nil
	}
	part, err := v.Part(state.part)
	switch {
	case errors.Is(err, record.ErrNoPart) && git.PatchError != "":
		return nil, fmt.Errorf("task %s: %w (%s)", v.Record.UID, ErrNoPatch, git.PatchError)
	case errors.Is(err, record.ErrNoPart):
		return nil, fmt.Errorf("task %s: %w", v.Record.UID, ErrNoPatch)
	case errors.Is(err, record.ErrPartElsewhere):
		return nil, fmt.Errorf("task %s: %w (it stayed in the home in which the run took place)", v.Record.UID, ErrNoPatch)
	case err != nil:
		return nil, err
	}
	p, err := patch.Decode(part)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", v.Record.UID, err)
	}
	if p.Commit != git.Commit {
		return nil, fmt.Errorf("task %s: its difference is from the commit %s, and its record has %s: %w", v.Record.UID, p.Commit, git.Commit, record.ErrInvalid)
	}
	return p, nil
}
