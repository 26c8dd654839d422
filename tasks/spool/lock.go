package spool

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
)

// flock is lockfile.Try. A file that is not an os.File, for example one in memory, belongs to
// this process alone, so flock succeeds.
func flock(f afero.File, kind lockfile.Kind) error {
	if _, ok := f.(*os.File); !ok {
		return nil
	}
	return lockfile.Try(f, kind)
}

// tryLock locks the lock file of an entry, if the file system has locks, and returns a verdict
// on the recording process. If had is true, the caller holds the lock and must release it.
func (s *Spool) tryLock(f afero.File, kind lockfile.Kind) (had bool, v verdict, err error) {
	err = s.flock(f, kind)
	if errors.Is(err, lockfile.ErrHeld) {
		return false, alive, nil
	}
	if err != nil && !errors.Is(err, lockfile.ErrNone) {
		return false, unknown, err
	}
	had = err == nil
	o, err := readOwner(f)
	if err != nil {
		return had, unknown, errors.Join(err, unlock(f, had))
	}
	return had, o.verdict(s.me(), f, had), nil
}

// unlock releases the lock if had is true.
func unlock(f afero.File, had bool) error {
	if !had {
		return nil
	}
	return lockfile.Unlock(f)
}

// sameFile reports whether path still names the file f.
func sameFile(fsys afero.Fs, f afero.File, path string) (bool, error) {
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := fsys.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if _, ok := f.(*os.File); !ok {
		return true, nil
	}
	return os.SameFile(a, b), nil
}
