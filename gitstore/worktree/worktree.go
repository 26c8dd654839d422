// Package worktree finds the git state of a user's working directory: commit,
// branch, and whether a tracked file was changed. It reads git's own files and
// never starts the git program, because it stands between a user and every
// command that is run.
//
// It writes nothing and takes no lock. Every read is bounded, and a fifo or a
// device where a file is expected does not stop it.
package worktree

import (
	"errors"
	"time"

	"qme/internal/intime"
	"qme/internal/regular"
	"qme/record"
)

// State returns the state of the git repository whose working tree contains dir,
// and nil when there is none: outside of repositories, in a bare repository and
// inside of a .git directory.
//
// The repository is the one that lies around dir, found as git finds it:
// GIT_CEILING_DIRECTORIES and GIT_DISCOVERY_ACROSS_FILESYSTEM are honoured.
// GIT_DIR, GIT_WORK_TREE, GIT_INDEX_FILE and their like are not, since they name
// a repository that may have nothing to do with dir.
//
// A damaged repository is no error; its readable part is returned, with Dirty
// nil. Commit is empty before the first commit. It is also empty, with Dirty
// nil, when it is unknown: the ref is damaged, it lies in an unsorted
// packed-refs file of more than 1 MiB, or the repository keeps its refs in
// reftables; Branch is empty as well in the last case.
//
// Dirty is true when "git status --porcelain --untracked-files=no" would print a line. It is looked for until budget has passed since the
// call, and is never guessed. It is nil when
//   - the budget is used up, or is zero or negative;
//   - the index is larger than 8 MiB (about 80,000 files), damaged, split or
//     sparse, or the repository uses SHA-256;
//   - a file whose time was changed, but not its size, is larger than 256 KiB,
//     or there are more than 4 MiB of them;
//   - git would not compare such a file's bytes, but a filter's output, another
//     encoding, or converted line endings;
//   - the answer hangs on a setting that cannot be known here, for example in
//     a conditionally included configuration file or the environment, or that
//     is not followed: core.symlinks=false, a core.worktree elsewhere, sparse
//     checkouts with files outside of them, "ignore" for submodules;
//   - a submodule has changes that cannot be known by these rules;
//   - the repository replaces objects (git-replace(1)), or an object of HEAD is
//     missing, as in a partial clone.
//
// A file that was changed without a change of size, and whose times were put
// back within the same second, is found here although git overlooks it.
//
// Remote is the URL of the branch's remote, else of origin, as the repository's own configuration
// has it, without what may be secret; empty where that cannot be told.
//
// If the files of a repository cannot be read within a second, as on a file server that does not
// respond, State returns nil.
//
// State may be called from several goroutines.
func State(dir string, budget time.Duration) *record.Git {
	state, _ := Look(dir, budget)
	return state
}

// A Finding is what was found out beside a state.
type Finding struct {
	// Submodule is the path of a submodule, if it has changes of its own and Dirty is true because
	// of that. There may be more of them, and other changes.
	Submodule string
	// Doubt says why Dirty is nil; "" if it is not.
	Doubt string
	// Ended is closed when the search has ended, which may be later than Look, or never if a file
	// server does not respond. It is nil if nothing was to be searched, or nothing is in doubt.
	Ended <-chan struct{}
}

// The texts of Finding.Doubt.
const (
	doubtOff   = "the setting run.git is 0"
	doubtTime  = "the files could not be looked at in time before the start"
	doubtIndex = "the index is too large to be read before the start"
	doubtOther = "only git itself can tell"
)

// Look is State that says more.
func Look(dir string, budget time.Duration) (*record.Git, Finding) {
	c := &check{deadline: time.Now().Add(budget), bytes: totalLimit}
	type found struct {
		r     *repo
		head  head
		state *record.Git
	}
	f, _ := intime.Within(patience, func() found {
		r := find(dir)
		if r == nil {
			return found{}
		}
		head := r.head()
		return found{r, head, &record.Git{Commit: head.commit, Branch: head.branch, Remote: r.remote(head.branch)}}
	})
	r, head, state := f.r, f.head, f.state
	if state == nil {
		return nil, Finding{}
	}
	if budget <= 0 {
		return state, Finding{Doubt: doubtOff}
	}
	a, finding := c.inTime(r, head)
	switch a {
	case yes:
		state.Dirty = new(true)
	case no:
		state.Dirty = new(false)
	}
	return state, finding
}

// inTime is dirty, without waiting for a disk that does not answer in time. What
// is left of the search then ends by itself, at the latest with the process.
func (c *check) inTime(r *repo, head head) (answer, Finding) {
	ended := make(chan struct{})
	if c.late() {
		close(ended)
		return unknown, Finding{Doubt: doubtTime, Ended: ended}
	}
	type found struct {
		answer
		Finding
	}
	f, ok := intime.Within(time.Until(c.deadline), func() found {
		defer close(ended)
		a := c.dirty(r, head)
		switch {
		case a != unknown:
			return found{a, Finding{Submodule: c.submodule}}
		case c.tooLarge:
			return found{a, Finding{Doubt: doubtIndex, Ended: ended}}
		case c.late():
			return found{a, Finding{Doubt: doubtTime, Ended: ended}}
		}
		return found{a, Finding{Doubt: doubtOther, Ended: ended}}
	})
	if !ok {
		return unknown, Finding{Doubt: doubtTime, Ended: ended}
	}
	return f.answer, f.Finding
}

// An answer to a question that may stay open.
type answer int8

const (
	no answer = iota
	unknown
	yes
)

// or answers whether one of two things is so: a sure yes outweighs unknown.
func (a answer) or(b answer) answer { return max(a, b) }

const (
	// patience is how long the files of a repository are waited for.
	patience = time.Second
	// fileLimit bounds the size of a file whose bytes are compared.
	fileLimit = 256 << 10
	// totalLimit bounds the bytes of files and objects that one call reads.
	totalLimit = 4 << 20
	// maxSubmoduleDepth bounds how deep submodules within submodules are
	// looked into.
	maxSubmoduleDepth = 8
)

// A check is one search for a difference, with its remaining budget. The
// submodules of a repository share it.
type check struct {
	deadline time.Time
	bytes    int64
	depth    int // how many submodules deep it is
	// submodule is one of the first depth that has changes of its own; "" if none was found.
	submodule string
	tooLarge  bool // an index was larger than indexLimit
}

// late reports whether the time is used up.
func (c *check) late() bool { return !time.Now().Before(c.deadline) }

// spend takes n bytes from the budget and reports whether they were there.
func (c *check) spend(n int64) bool {
	if n > c.bytes {
		return false
	}
	c.bytes -= n
	return true
}

// dirty answers whether a tracked file of r differs from the commit in head.
func (c *check) dirty(r *repo, head head) answer {
	if !head.known || len(head.commit) == sha256Hex || r.unsupported() {
		return unknown
	}
	idx, err := readIndex(r)
	if err != nil {
		c.tooLarge = errors.Is(err, regular.ErrTooLarge)
		return unknown
	}
	if idx.unsettled {
		return yes
	}
	// The files first: they need no object, and a change there is the usual case.
	files := c.filesDiffer(r, idx)
	if files == yes {
		return yes
	}
	return files.or(c.staged(r, head, idx))
}
