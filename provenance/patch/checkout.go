package patch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"qme/internal/program"
	"qme/record"
)

// A Missing is something of a state that Checkout does not bring back.
type Missing struct {
	Kind   string `json:"kind"` // of the constants below
	Path   string `json:"path"` // below the top of the working tree; other people's text
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// The kinds of what is missing.
const (
	MissingUntracked = "untracked" // git did not track it
	MissingSubmodule = "submodule"
	MissingChanges   = "submodule_changes" // of a submodule, which it had of its own
	MissingFilter    = "filtered"          // a filter makes its content, such as git-lfs; it is there as git stores it
	MissingLink      = "link"              // the difference has a symbolic link, which is not made
)

// A CommitError says that a repository does not have a commit. It is a record.ErrConflict.
type CommitError struct {
	Root   string // the working tree of the repository
	Commit string
	Remote string // the name of a remote there, "" if it has none
}

// Error implements error.
func (e *CommitError) Error() string {
	return fmt.Sprintf("the repository in %s does not have the commit %s", e.Root, e.Commit)
}

// Is makes the error a record.ErrConflict.
func (e *CommitError) Is(target error) bool { return target == record.ErrConflict }

// A checkout is one working tree that is made.
type checkout struct {
	ctx context.Context
	of  Tree   // of the repository
	dir string // the new working tree
}

// Checkout makes a working tree in dir, which must not exist, of the repository of another one. It has the commit of p and then its difference, if there is one. It fetches
// nothing, and runs neither hooks nor filters. It returns what it does not bring back, not more
// than most of each kind. If it returns an error, dir is gone again. The error is a CommitError if
// the commit is not there, and wraps record.ErrInvalid if the difference cannot be applied.
func Checkout(ctx context.Context, of Tree, dir string, p *Patch, most int) ([]Missing, error) {
	if !isCommit(p.Commit) {
		return nil, fmt.Errorf("%w commit %.60q", record.ErrInvalid, p.Commit)
	}
	c, root := &checkout{ctx: ctx, of: of, dir: dir}, of.Root
	if err := c.unfilter(); err != nil {
		return nil, err
	}
	if _, err := c.git(root, nil, "cat-file", "-e", p.Commit+"^{commit}"); err != nil {
		return nil, c.commitError(p.Commit, err)
	}
	if err := c.worktree("add", "--quiet", "--detach", "--end-of-options", dir, p.Commit); err != nil {
		return nil, fmt.Errorf("git worktree: %w", err)
	}
	missing, err := c.fill(p, most)
	if err != nil {
		return nil, errors.Join(err, c.worktree("remove", "--force", dir))
	}
	return missing, nil
}

// worktree runs a git worktree command. While another one makes or removes a working tree of the same
// repository, git fails at what is half written, or just gone; then it is tried again.
func (c *checkout) worktree(args ...string) error {
	const first, last = 10 * time.Millisecond, 300 * time.Millisecond
	for wait := first; ; wait *= 2 {
		_, err := c.git(c.of.Root, nil, append([]string{"worktree"}, args...)...)
		if err == nil || wait > last || !strings.Contains(err.Error(), "/worktrees/") {
			return err
		}
		select {
		case <-c.ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// unfilter switches off the filters of all configurations.
func (c *checkout) unfilter() error {
	out, err := c.git(c.of.Root, nil, "config", "--null", "--name-only", "--get-regexp", `^filter\.`)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 { // there are none
		return nil
	}
	if err != nil {
		return err
	}
	for key := range strings.SplitSeq(string(out), "\x00") {
		if at := strings.LastIndexByte(key, '.'); at > len("filter.") {
			c.of.Filters = append(c.of.Filters, key[len("filter."):at])
		}
	}
	return nil
}

func (c *checkout) commitError(commit string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	out, err := c.git(c.of.Root, nil, "remote")
	if err != nil {
		return err
	}
	remotes := strings.Fields(string(out))
	e := &CommitError{Root: c.of.Root, Commit: commit}
	if slices.Contains(remotes, "origin") {
		e.Remote = "origin"
	} else if len(remotes) > 0 {
		e.Remote = remotes[0]
	}
	return e
}

// fill applies the difference, and returns what is missing.
func (c *checkout) fill(p *Patch, most int) ([]Missing, error) {
	var missing []Missing
	diff, links := withoutLinks(p.Diff)
	for _, path := range links {
		missing = append(missing, Missing{Kind: MissingLink, Path: path})
	}
	if len(diff) > 0 {
		if _, err := c.git(c.dir, diff, "-c", "core.symlinks=false", "apply", "--binary", "--whitespace=nowarn"); err != nil {
			return nil, fmt.Errorf("the difference of the working tree cannot be applied (git: %w): %w", err, record.ErrInvalid)
		}
	}
	submodules, filtered, err := c.special()
	if err != nil {
		return nil, err
	}
	missing = append(append(missing[:min(most, len(missing))], named(MissingSubmodule, submodules, most)...), named(MissingChanges, p.Submodules, most)...)
	missing = append(missing, named(MissingFilter, filtered, most)...)
	for _, u := range p.Untracked[:min(most, len(p.Untracked))] {
		missing = append(missing, Missing{Kind: MissingUntracked, Path: u.Path, Size: u.Size, SHA256: u.SHA256})
	}
	return missing, nil
}

func named(kind string, paths []string, most int) []Missing {
	var list []Missing
	for _, path := range paths[:min(most, len(paths))] {
		list = append(list, Missing{Kind: kind, Path: path})
	}
	return list
}

// special returns the submodules of the new working tree, and the files that have a filter.
func (c *checkout) special() (submodules, filtered []string, err error) {
	entries, err := c.git(c.dir, nil, "ls-files", "--stage", "-z")
	if err != nil {
		return nil, nil, err
	}
	var names bytes.Buffer
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(entries), "\x00"), "\x00") {
		mode, path, ok := strings.Cut(entry, "\t")
		if !ok {
			continue
		}
		names.WriteString(path + "\x00")
		if strings.HasPrefix(mode, "160000") {
			submodules = append(submodules, path)
		}
	}
	attributes, err := c.git(c.dir, names.Bytes(), "check-attr", "-z", "--stdin", "filter")
	if err != nil {
		return nil, nil, err
	}
	words := strings.Split(strings.TrimSuffix(string(attributes), "\x00"), "\x00")
	for ; len(words) >= 3; words = words[3:] { // path, name, value
		if value := words[2]; value != "unspecified" && value != "unset" {
			filtered = append(filtered, words[0])
		}
	}
	return submodules, filtered, nil
}

// git returns what git prints in a folder, given input. The error has what git says.
func (c *checkout) git(dir string, input []byte, args ...string) ([]byte, error) {
	const longest = 256 << 20
	cmd := git(c.ctx, dir, c.of.options(), args...)
	errs := &program.Buffer{Most: 4 << 10}
	out := &program.Buffer{Most: longest}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), out, errs
	err := cmd.Run()
	switch said := strings.TrimSpace(string(errs.Bytes())); {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("the git program is not installed: %w", record.ErrConflict)
	case err != nil && said != "":
		return nil, fmt.Errorf("%w: %s", err, said)
	case err == nil && out.Full():
		return nil, fmt.Errorf("git prints more than %d bytes: %w", int64(longest), record.ErrInvalid)
	}
	return out.Bytes(), err
}

// fileHeader begins the difference of each file.
const fileHeader = "diff --git "

// withoutLinks returns a difference without that of symbolic links and submodules, and their names.
// A link of another user could lead anywhere; and git applies the difference with core.symlinks off,
// so that one that is not seen here becomes a plain file.
func withoutLinks(diff []byte) (kept []byte, links []string) {
	for len(diff) > 0 {
		end := len(diff)
		if at := bytes.Index(diff, []byte("\n"+fileHeader)); at >= 0 {
			end = at + 1
		}
		one := diff[:end]
		if diff = diff[end:]; isLink(one) {
			line, _, _ := bytes.Cut(one, []byte("\n"))
			name := strings.TrimPrefix(string(line), fileHeader)
			links = append(links, strings.TrimPrefix(name[:len(name)/2], "a/"))
			continue
		}
		kept = append(kept, one...)
	}
	return kept, links
}

// isLink reports whether the header of the difference of a file has the mode of a link or submodule.
func isLink(one []byte) bool {
	for line := range bytes.Lines(one) {
		if bytes.HasPrefix(line, []byte("@@ ")) || bytes.HasPrefix(line, []byte("GIT binary patch")) {
			return false
		}
		for _, mode := range []string{" 120000\n", " 160000\n"} {
			if bytes.HasSuffix(line, []byte(mode)) && !bytes.HasPrefix(line, []byte(fileHeader)) {
				return true
			}
		}
	}
	return false
}

// Remove removes a working tree that Checkout has made in dir, with all that is in it.
func Remove(ctx context.Context, of Tree, dir string) error {
	c := &checkout{ctx: ctx, of: of, dir: dir}
	if err := c.worktree("remove", "--force", "--force", dir); err != nil {
		return fmt.Errorf("git worktree: %w", err)
	}
	return nil
}
