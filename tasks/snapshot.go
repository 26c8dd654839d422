package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/internal/lockfile"
	"qme/internal/safe"
	"qme/internal/wholefile"
	"qme/provenance/aside"
	"qme/provenance/patch"
	"qme/record"
)

// A CodeSnapshot is a copy of a working tree of git, in which a task of the queue runs.
type CodeSnapshot struct {
	Folder string // the copy of the tree; Entry.Snapshot
	Dir    string // the copy of the directory

	adding *lockfile.File // locked until its task is in the queue
}

const (
	// snapshotTime is how long git may take for a snapshot.
	snapshotTime = 5 * time.Minute
	// mostCopied bounds what is copied of files that differ from the commit, or that git does not track, in
	// bytes.
	mostCopied = 1 << 30
	// stateFile is in the folder around a snapshot.
	stateFile = "state.json"
)

// A snapshotState says how a snapshot was when it was made.
type snapshotState struct {
	Tree  patch.Tree             `json:"tree"` // of which it is a copy
	Files map[string]snapshotted `json:"files"`
}

// A snapshotted is the state of a file of a snapshot.
type snapshotted struct {
	Inode uint64 `json:"inode"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // nanoseconds since 1970
	Ctime int64  `json:"ctime"`
}

// snapshots is the folder in a home for them.
func (q *Service) snapshots() string { return filepath.Join(q.Waiting.Dir(), ".snapshots") }

// TakeSnapshot copies the working tree of git that contains dir, as it is now: its commit, and all files
// that differ from that or that git does not track; not those that git ignores. The caller gives the
// result to Add, or to RemoveSnapshot. The error wraps record.ErrConflict if dir is in no working tree, or
// its code is not to be copied as a whole.
func (q *Service) TakeSnapshot(ctx context.Context, dir string) (*CodeSnapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTime)
	defer cancel()
	s, err := q.takeSnapshot(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("--snapshot: %w", err)
	}
	return s, nil
}

func (q *Service) takeSnapshot(ctx context.Context, dir string) (*CodeSnapshot, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	tree, err := treeAt(dir)
	if err != nil {
		return nil, err
	}
	root, err := filepath.EvalSymlinks(tree.Root)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, fmt.Errorf("%s is not below %s: %w", safe.Bounded(dir), safe.Bounded(root), record.ErrConflict)
	}
	git, _ := q.Settings.GitState(dir)
	if git == nil || git.Commit == "" {
		return nil, fmt.Errorf("%s has no commit yet: %w", safe.Bounded(root), record.ErrConflict)
	}
	around, adding, err := q.snapshotFolder(ctx)
	if err != nil {
		return nil, err
	}
	s := &CodeSnapshot{Folder: filepath.Join(around, filepath.Base(root)), adding: adding}
	s.Dir = filepath.Join(s.Folder, rel)
	if err := fillSnapshot(ctx, tree, git.Commit, s); err != nil {
		return nil, errors.Join(err, q.RemoveSnapshot(s.Folder), adding.Close())
	}
	return s, nil
}

// fillSnapshot makes a snapshot, and notes its state.
func fillSnapshot(ctx context.Context, tree patch.Tree, commit string, s *CodeSnapshot) error {
	state := snapshotState{Tree: tree}
	if err := writeState(s.Folder, &state); err != nil { // so that what is cut off can be removed
		return err
	}
	const mostFiltered = 100_000
	missing, err := patch.Checkout(ctx, tree, s.Folder, &patch.Patch{Commit: commit}, mostFiltered)
	if err != nil {
		return err
	}
	differ, _, err := patch.Differing(ctx, tree, commit)
	if err != nil {
		return err
	}
	untracked, repositories, err := tree.Untracked(ctx)
	if err != nil {
		return err
	}
	paths := slices.Concat(differ, untracked)
	for _, m := range missing {
		if m.Kind == patch.MissingSubmodule {
			repositories = append(repositories, m.Path)
			continue
		}
		paths = append(paths, m.Path) // a filter makes its content
	}
	if len(repositories) > 0 {
		return fmt.Errorf("%s has the repository %s within it, of which no copy can be made: %w", safe.Bounded(tree.Root), safe.Bounded(repositories[0]), record.ErrConflict)
	}
	if err := copyPaths(ctx, tree.Root, s.Folder, paths); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil { // git has no empty folders
		return err
	}
	if state.Files, err = filesOf(s.Folder); err != nil {
		return err
	}
	return writeState(s.Folder, &state)
}

// copyPaths makes paths in a snapshot as they are in a working tree.
func copyPaths(ctx context.Context, from, to string, paths []string) error {
	size := int64(0)
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		var st unix.Stat_t
		err := unix.Lstat(filepath.Join(from, path), &st)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			size += st.Size
		}
		if size > mostCopied {
			return fmt.Errorf("files that are not committed have more than %d MiB; commit them, or have git ignore what the command does not need: %w", mostCopied>>20, record.ErrConflict)
		}
		if err := copyPath(ctx, from, to, path, &st, err); err != nil {
			return fmt.Errorf("the copy of %s: %w", safe.Bounded(path), err)
		}
	}
	return nil
}

// copyPath makes one path as it is; st and serr are the result of lstat.
func copyPath(ctx context.Context, from, to, path string, st *unix.Stat_t, serr error) error {
	src, dst := filepath.Join(from, path), filepath.Join(to, path)
	gone := errors.Is(serr, unix.ENOENT) || errors.Is(serr, unix.ENOTDIR)
	if serr != nil && !gone {
		return serr
	}
	if err := os.RemoveAll(dst); err != nil || gone {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dst), 0o700); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return aside.CopyTo(ctx, src, to, dst, -1)
	case unix.S_IFLNK:
		link, err := os.Readlink(src)
		if err != nil {
			return err
		}
		return os.Symlink(link, dst)
	case unix.S_IFDIR: // git tracks a file there; what is in the folder comes by itself
		return nil
	}
	return fmt.Errorf("it is no file: %w", record.ErrConflict)
}

// filesOf returns the files of a snapshot. Python's caches are no work of anybody.
func filesOf(folder string) (map[string]snapshotted, error) {
	files := map[string]snapshotted{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && d.Name() == "__pycache__":
			return fs.SkipDir
		case d.IsDir() || rel == ".git": // the link to the repository
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		files[rel] = snapshotted{st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
		return nil
	})
	return files, err
}

func statePath(folder string) string { return filepath.Join(filepath.Dir(folder), stateFile) }

func writeState(folder string, s *snapshotState) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return wholefile.ReplaceFlushed(afero.NewOsFs(), statePath(folder), b)
}

func readState(folder string) (*snapshotState, error) {
	b, err := os.ReadFile(statePath(folder))
	if err != nil {
		return nil, err
	}
	s := &snapshotState{}
	return s, json.Unmarshal(b, s)
}

// RemoveSnapshot removes a snapshot with all that is in it, and takes it from the list of working trees of
// its repository.
func (q *Service) RemoveSnapshot(folder string) error {
	around := filepath.Dir(folder)
	real, err := filepath.EvalSymlinks(q.snapshots())
	if err != nil {
		return err
	}
	if filepath.Dir(around) != real {
		return fmt.Errorf("%s is no snapshot of this home: %w", safe.Bounded(folder), record.ErrInvalid)
	}
	if s, err := readState(folder); err != nil || patch.Remove(context.Background(), s.Tree, folder) != nil {
		if err := forgetTree(folder); err != nil {
			return err
		}
	}
	if err := removeAll(around); err != nil {
		return err
	}
	return unmark(around)
}

// leaveSnapshot removes the snapshot of a task that leaves the queue, unless there is anything that was
// not there when it was made.
func (q *Service) leaveSnapshot(folder string) {
	if folder == "" {
		return
	}
	if err := unmark(filepath.Dir(folder)); err != nil {
		q.Warn("the snapshot %s may be removed although it has something new: %v", safe.Bounded(folder), err)
	}
	was, err := readState(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return // another process has removed it
	}
	if err == nil {
		var now map[string]snapshotted
		now, err = filesOf(folder)
		for path, f := range now {
			if was.Files[path] != f {
				return
			}
		}
	}
	if err == nil {
		err = q.RemoveSnapshot(folder)
	}
	if err != nil {
		q.Warn("the snapshot %s stays: %v", safe.Bounded(folder), err)
	}
}

// Environment returns the environment of a command in the snapshot: PWD names its directory there.
func (s *CodeSnapshot) Environment(env []string) []string {
	env = slices.Clone(env)
	for i, kv := range env {
		if strings.HasPrefix(kv, "PWD=") {
			env[i] = "PWD=" + s.Dir
		}
	}
	return env
}
