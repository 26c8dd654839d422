package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/record"
)

// addingSuffix ends the name of the file beside the folder around a snapshot whose task is not in the queue yet. The
// process that adds the task has locked it, and it has the name of its machine.
const addingSuffix = ".adding"

// snapshotFolder makes the folder around a snapshot, and before that the locked file beside it.
func (q *Service) snapshotFolder(ctx context.Context) (around string, adding *lockfile.File, err error) {
	if err := os.MkdirAll(q.snapshots(), 0o700); err != nil {
		return "", nil, err
	}
	real, err := filepath.EvalSymlinks(q.snapshots())
	if err != nil {
		return "", nil, err
	}
	around = filepath.Join(real, strconv.FormatUint(rand.Uint64(), 10))
	if adding, err = q.markAdding(ctx, around+addingSuffix); err != nil {
		return "", nil, err
	}
	if err := os.Mkdir(around, 0o700); err != nil {
		return "", nil, errors.Join(err, unmark(around), adding.Close())
	}
	return around, adding, nil
}

// markAdding makes a file that this process has locked. Another process may remove it before it is locked.
func (q *Service) markAdding(ctx context.Context, path string) (*lockfile.File, error) {
	for {
		f, err := lockfile.Wait(ctx, afero.NewOsFs(), path, lockfile.Exclusive)
		if err != nil {
			return nil, err
		}
		if sameAt(f.File, path) {
			if _, err := f.WriteString(q.Settings.Host); err != nil {
				return nil, errors.Join(err, os.Remove(path), f.Close())
			}
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// sameAt reports whether a path still names an open file.
func sameAt(f afero.File, path string) bool {
	a, aerr := f.Stat()
	b, berr := os.Stat(path)
	return aerr == nil && berr == nil && os.SameFile(a, b)
}

// inQueue says that the task of a snapshot is in the queue. A nil snapshot is none.
func (s *CodeSnapshot) inQueue() error {
	if s == nil {
		return nil
	}
	return errors.Join(unmark(filepath.Dir(s.Folder)), s.adding.Close())
}

// unmark removes the file beside the folder around a snapshot that says that its task is not in the queue yet, if there is one.
func unmark(around string) error {
	if err := os.Remove(around + addingSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// marked returns the files of snapshots whose tasks are not in the queue yet, as far as is known. Where there are none it costs
// a look at one folder.
func (q *Service) marked() ([]string, error) {
	names, err := os.ReadDir(q.snapshots())
	if errors.Is(err, fs.ErrNotExist) || regular.NotFolder(afero.NewOsFs(), q.Waiting.Dir()) != nil {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(q.snapshots())
	if err != nil {
		return nil, err
	}
	var marks []string
	for _, n := range names {
		if strings.HasSuffix(n.Name(), addingSuffix) {
			marks = append(marks, filepath.Join(real, n.Name()))
		}
	}
	return marks, nil
}

// tidySnapshots removes the snapshots of tasks that were not added, since their processes were killed.
func (q *Service) tidySnapshots() error {
	marks, err := q.marked()
	errs := []error{err}
	for _, mark := range marks {
		if _, err := q.tidySnapshot(mark); err != nil {
			errs = append(errs, fmt.Errorf("the snapshot %s stays: %w", safe.Bounded(strings.TrimSuffix(mark, addingSuffix)), err))
		}
	}
	return errors.Join(errs...)
}

// SnapshotNotes tells of snapshots whose tasks may never have been added, where this machine cannot tell whether a process is still
// about to add them.
func (q *Service) SnapshotNotes() (notes []string, err error) {
	marks, err := q.marked()
	for _, mark := range marks {
		if left, err := q.tidySnapshot(mark); err == nil && left {
			notes = append(notes, fmt.Sprintf("%s may be left by \"qme add --snapshot\" on another machine, or where there are no locks; if no such command is at work, remove it and %s",
				strings.TrimSuffix(mark, addingSuffix), mark))
		}
	}
	return notes, err
}

// tidySnapshot removes a snapshot if the process is dead that made it, and its task is not in the queue. mark is its file. unknown
// says that this cannot be found out here.
func (q *Service) tidySnapshot(mark string) (unknown bool, err error) {
	f, err := regular.OpenHere(mark, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer f.Close()
	switch err := lockfile.Try(f, lockfile.Exclusive); {
	case errors.Is(err, lockfile.ErrHeld):
		return false, nil // the task is being added
	case errors.Is(err, lockfile.ErrNone):
		return true, nil
	case err != nil:
		return false, err
	}
	defer func() { err = errors.Join(err, lockfile.Unlock(f)) }()
	const longestHost = 1000
	host, err := io.ReadAll(io.LimitReader(f, longestHost))
	if err != nil {
		return false, err
	}
	if len(host) > 0 && string(host) != q.Settings.Host {
		return true, nil // some locks are seen on one machine alone
	}
	around := strings.TrimSuffix(mark, addingSuffix)
	used, err := q.usesSnapshot(around)
	if err != nil {
		return false, nil // it may be that of a damaged task, which is named elsewhere
	}
	// A task that has left the queue has removed the file before that, and may have left the snapshot to the user.
	if !used && sameAt(f, mark) {
		err = q.removeLeft(around)
	}
	if err != nil {
		return false, err
	}
	return false, unmark(around)
}

// removeLeft removes a folder around a snapshot, which may be cut off anywhere.
func (q *Service) removeLeft(around string) error {
	names, err := os.ReadDir(around)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	folder := filepath.Join(around, "none")
	for _, n := range names {
		if n.IsDir() {
			folder = filepath.Join(around, n.Name())
		}
	}
	return q.RemoveSnapshot(folder)
}

// usesSnapshot reports whether a task of the queue that waits or runs has the snapshot in a folder. The error says that this is
// not known, since one cannot be read.
func (q *Service) usesSnapshot(around string) (bool, error) {
	for range 2 { // a task that goes from one place to the other meanwhile is found in one of them
		waits, err := q.Waiting.IDs()
		if err != nil {
			return false, err
		}
		for _, id := range waits {
			if used, err := q.hasSnapshot(filepath.Join(q.Waiting.Dir(), string(id)), id, around); used || err != nil {
				return used, err
			}
		}
		started, err := q.Spool.IDs()
		if err != nil {
			return false, err
		}
		for _, id := range started {
			if used, err := q.hasSnapshot(q.Spool.QueuedOf(id), id, around); used || err != nil {
				return used, err
			}
		}
	}
	return false, nil
}

// hasSnapshot reports whether the task in a folder has the snapshot in around. The home may have been moved since.
func (q *Service) hasSnapshot(dir string, id record.ID, around string) (bool, error) {
	if dir == "" {
		return false, nil
	}
	e, err := q.Waiting.EntryIn(dir, id)
	if errors.Is(err, record.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return e.Snapshot != "" && filepath.Base(filepath.Dir(e.Snapshot)) == filepath.Base(around), nil
}
