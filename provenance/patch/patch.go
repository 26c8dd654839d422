// Package patch records how a working tree differs from its commit, as a patch that git reads, and
// brings such a state back. docs/format.md has the form, the part "patch".
package patch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"qme/internal/program"
	"qme/record"
)

const (
	// MostUntracked is how many untracked files are named.
	MostUntracked = 1000
	// patience is how long a command waits at most for its patch.
	patience = 500 * time.Millisecond
	// longestNames bounds the list of untracked files in bytes.
	longestNames = 1 << 20
)

// A Patch is how a working tree differs from its commit.
type Patch struct {
	Root   string // the top of the working tree; not part of the encoding
	Commit string
	Diff   []byte // as "git diff --binary" prints it
	// Untracked are files that git neither tracks nor ignores.
	Untracked []Untracked
	// More is how many more there were.
	More int
	// Submodules are those that were found to have changes of their own. Of these nothing is recorded.
	Submodules []string
}

// An Untracked is a file that is in a working tree and not in its repository.
type Untracked struct {
	Path    string `json:"path"` // below the top of the working tree
	Size    int64  `json:"size,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // empty if it was not recorded
	Partial bool   `json:"partial,omitempty"`
}

// A Tree is a working tree of git.
type Tree struct {
	Root  string // its top
	Index string // the file of its index
	// Filters are the drivers of filters that are not to be run.
	Filters []string
}

// options returns options for git with which it runs no program that the configuration of the
// repository names, and reaches no remote.
func (t Tree) options() []string {
	options := []string{"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never", "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true"}
	for _, driver := range t.Filters {
		for _, key := range []string{"clean", "smudge", "process", "required"} {
			if key = "filter." + driver + "." + key; strings.Contains(driver, "=") { // -c takes all behind it for the value
				options = append(options, "--config-env="+key+"="+empty)
			} else {
				options = append(options, "-c", key+"=")
			}
		}
	}
	return options
}

// empty is an environment variable of git with no value, which git takes for false, too.
const empty = "GIT_EMPTY_FOR_QME"

// Take returns how a working tree differs from a commit, its HEAD, without the sizes and hashes of
// untracked files. most bounds the bytes of the difference. It starts the git program, which does not
// look into submodules, since their configurations may name programs: submodule is one that is known
// to have changes of its own, or "". The error says what is missing.
func Take(ctx context.Context, tree Tree, commit string, most int64, submodule string) (*Patch, error) {
	root, options := tree.Root, tree.options()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := &Patch{Root: root, Commit: commit}
	if submodule != "" {
		p.Submodules = []string{submodule}
	}
	names, failed := make(chan []byte, 1), make(chan error, 1)
	go func() {
		b, err := output(ctx, root, options, longestNames, "ls-files", "-z", "--others", "--exclude-standard")
		names <- b
		failed <- err
	}()
	var err error
	p.Diff, err = output(ctx, root, options, most, "diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
		"--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=dirty", "--submodule=short", "--end-of-options", commit, "--")
	if err == nil && len(p.Diff) == 0 && submodule == "" {
		err = errors.New("git finds no difference")
	}
	untracked := <-names
	var exit *exec.ExitError
	if lerr := <-failed; lerr != nil && (err == nil || errors.As(err, &exit)) { // of what is no repository for it, git compares files
		err = fmt.Errorf("untracked files: %w", lerr)
	}
	if err != nil {
		return nil, err
	}
	p.name(untracked)
	return p, nil
}

// Same reports whether two working trees differ from the same commit in the same way. known is false
// if that is so as far as they were recorded, and the content of an untracked file was not, or that of
// a submodule.
func (p *Patch) Same(other *Patch) (same, known bool) {
	if !bytes.Equal(p.Diff, other.Diff) || p.More != other.More || len(p.Untracked) != len(other.Untracked) || !slices.Equal(p.Submodules, other.Submodules) {
		return false, true
	}
	known = p.More == 0 && len(p.Submodules) == 0
	for i, a := range p.Untracked {
		b := other.Untracked[i]
		switch hashed := a.SHA256 != "" && b.SHA256 != "" && a.Partial == b.Partial; {
		case a.Path != b.Path || a.Size != b.Size && a.Size > 0 && b.Size > 0 || hashed && a.SHA256 != b.SHA256:
			return false, true
		case !hashed || a.Partial:
			known = false
		}
	}
	return true, known
}

// name sets the names of untracked files from a list of git's.
func (p *Patch) name(list []byte) {
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		switch {
		case name == "" || strings.HasSuffix(name, "/"): // a repository within this one
		case len(p.Untracked) == MostUntracked:
			p.More++
		default:
			p.Untracked = append(p.Untracked, Untracked{Path: name})
		}
	}
}

// output returns what git prints, at most most bytes.
func output(ctx context.Context, root string, options []string, most int64, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := git(ctx, root, options, args...)
	out, errs := &program.Buffer{Most: int(most), Stop: cancel}, &program.Buffer{Most: 1 << 10}
	cmd.Stdout, cmd.Stderr = out, errs
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("the git program is not installed")
	case out.Full():
		return nil, fmt.Errorf("it has more than %d bytes", most)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("git has not answered within %s", patience)
	case err != nil:
		line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(errs.Bytes()), "\uFFFD")), "\n")
		return nil, fmt.Errorf("git: %w: %s", err, line)
	}
	return out.Bytes(), nil
}

// git returns a git program in a working tree. It takes no locks, asks nothing, and does not read
// which repository the caller's variables name.
func git(ctx context.Context, root string, options []string, args ...string) *exec.Cmd {
	cmd := program.Command(ctx, "git", append(append([]string{"-C", root}, options...), args...)...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, empty+"=", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	return cmd
}

// The beginnings of the lines before the difference.
const (
	wordCommit    = "commit"
	wordUntracked = "untracked"
	wordSubmodule = "submodule"
	wordMore      = "more"
)

// Encode returns the patch as a part of a record. git-apply(1) reads the difference from it as it is.
func (p *Patch) Encode() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", wordCommit, p.Commit)
	line := func(word string, f Untracked) error {
		f.Path = strings.ToValidUTF8(f.Path, "\uFFFD")
		text, err := json.Marshal(f)
		fmt.Fprintf(&b, "%s %s\n", word, text)
		return err
	}
	for _, path := range p.Submodules {
		if err := line(wordSubmodule, Untracked{Path: path}); err != nil {
			return nil, err
		}
	}
	for _, f := range p.Untracked {
		if err := line(wordUntracked, f); err != nil {
			return nil, err
		}
	}
	if p.More > 0 {
		fmt.Fprintf(&b, "%s %d\n", wordMore, p.More)
	}
	b.WriteByte('\n')
	b.Write(p.Diff)
	return b.Bytes(), nil
}

// Decode reads a patch. The error wraps record.ErrInvalid.
func Decode(part []byte) (*Patch, error) {
	head, diff, ok := bytes.Cut(part, []byte("\n\n"))
	p := &Patch{Diff: diff}
	for i, line := range strings.Split(string(head), "\n") {
		word, value, _ := strings.Cut(line, " ")
		var err error
		switch {
		case i == 0 && word == wordCommit && isCommit(value):
			p.Commit = value
		case i > 0 && word == wordUntracked && len(p.Untracked) < MostUntracked:
			var f Untracked
			err = json.Unmarshal([]byte(value), &f)
			p.Untracked = append(p.Untracked, f)
		case i > 0 && word == wordSubmodule && len(p.Submodules) < MostUntracked:
			var f Untracked
			err = json.Unmarshal([]byte(value), &f)
			p.Submodules = append(p.Submodules, f.Path)
		case i > 0 && word == wordMore:
			_, err = fmt.Sscanf(value, "%d", &p.More)
		default:
			err = io.ErrUnexpectedEOF
		}
		if err != nil || p.More < 0 {
			ok = false
		}
	}
	if !ok {
		return nil, fmt.Errorf("%w patch", record.ErrInvalid)
	}
	return p, nil
}

// isCommit reports whether text is the full name of an object.
func isCommit(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}
