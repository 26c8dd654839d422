package spool

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
)

// flock is lockfile.Try. A file that is not the system's, as in memory, is for this process
// alone, which so has its lock.
func flock(f afero.File, kind lockfile.Kind) error {
	if _, ok := f.(*os.File); !ok {
		return nil
	}
	return lockfile.Try(f, kind)
}

// tryLock takes the lock of an entry where there are locks, and judges who records the
// run. had says whether it has the lock, which the caller then gives up.
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

// unlock gives up a lock that was had.
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
