package patch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// longestDiffering bounds the list of the files that differ in bytes.
const longestDiffering = 16 << 20

// Differing returns the tracked files that differ from a commit, below the top of the working tree. It
// starts the git program, as Take does, and waits for it until ctx ends. known is false if none differs, and there are submodules,
// whose own changes are not looked for.
func Differing(ctx context.Context, tree Tree, commit string) (paths []string, known bool, err error) {
	out, err := output(ctx, tree.Root, tree.options(), longestDiffering, "diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", "--no-renames",
		"--ignore-submodules=dirty", "--end-of-options", commit, "--")
	if ctx.Err() != nil {
		return nil, false, errors.New("git has not answered in time")
	}
	if err != nil {
		return nil, false, err
	}
	if paths = namesOf(out); len(paths) > 0 {
		return paths, true, nil
	}
	has, err := hasSubmodules(ctx, tree)
	return nil, !has, err
}

// hasSubmodules reports whether the index of a working tree has submodules.
func hasSubmodules(ctx context.Context, tree Tree) (bool, error) {
	cmd := git(ctx, tree.Root, tree.options(), "ls-files", "--stage")
	found := &lineSearch{prefix: []byte("160000 ")}
	cmd.Stdout = found
	if err := cmd.Run(); err != nil {
		return false, fmt.Errorf("git: %w", err)
	}
	return found.found, nil
}

// A lineSearch looks for a line with a prefix in what is written to it.
type lineSearch struct {
	prefix, line []byte // of the line so far, not more bytes than the prefix has
	found        bool
}

// Write implements io.Writer. It never fails.
func (s *lineSearch) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !s.found {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		s.line = append(s.line, line[:min(len(line), len(s.prefix)-len(s.line))]...)
		s.found = bytes.Equal(s.line, s.prefix)
		if p = rest; whole {
			s.line = s.line[:0]
		}
	}
	return n, nil
}

// Times returns when the first and the last one of some files of a tree were changed. For a file that
// is gone it is the folder that lacks it.
func (t Tree) Times(paths []string) (first, last time.Time, err error) {
	for _, path := range paths {
		changed, err := changeTime(t.Root, path)
		if err != nil {
			return first, last, err
		}
		if first.IsZero() || changed.Before(first) {
			first = changed
		}
		if changed.After(last) {
			last = changed
		}
	}
	return first, last, nil
}

func changeTime(root, path string) (time.Time, error) {
	for {
		var st unix.Stat_t
		err := unix.Lstat(filepath.Join(root, path), &st)
		if err == nil {
			return time.Unix(st.Ctim.Unix()), nil
		}
		if path == "." || err != unix.ENOENT && err != unix.ENOTDIR {
			return time.Time{}, &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		path = filepath.Dir(path)
	}
}

// namesOf returns the names of a list that git prints with -z.
func namesOf(list []byte) (names []string) {
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Untracked returns the files of a working tree that git neither tracks nor ignores, and the folders with
// repositories of their own, both below its top. It starts the git program, as Take does, and waits for it
// until ctx ends.
func (t Tree) Untracked(ctx context.Context) (files, repositories []string, err error) {
	out, err := output(ctx, t.Root, t.options(), longestDiffering, "ls-files", "-z", "--others", "--exclude-standard")
	if ctx.Err() != nil {
		return nil, nil, errors.New("git has not answered in time")
	}
	if err != nil {
		return nil, nil, err
	}
	for _, name := range namesOf(out) {
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			repositories = append(repositories, folder)
		} else {
			files = append(files, name)
		}
	}
	return files, repositories, nil
}
