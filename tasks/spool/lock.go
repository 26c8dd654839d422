package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// errNoLocks says that a file system has no locks.
var errNoLocks = errors.New("this file system has no locks")

// noLocks are the answers of file systems without locks.
var noLocks = []error{unix.ENOLCK, unix.ENOSYS, unix.ENOTSUP, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOTTY}

// flock locks a file of the real file system, or unlocks it: how is LOCK_EX, LOCK_SH
// or LOCK_UN. It does not wait, and is false when another has the lock. Such a lock
// ends with the process, however that ends, and reaches into other namespaces of
// process ids. The error wraps errNoLocks where there are none.
func flock(f afero.File, how int) (bool, error) {
	real, ok := f.(*os.File)
	if !ok {
		return true, nil
	}
	for {
		err := unix.Flock(int(real.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case errors.Is(err, unix.EINTR):
			continue
		case slices.ContainsFunc(noLocks, func(no error) bool { return errors.Is(err, no) }):
			err = fmt.Errorf("%w: %w", errNoLocks, err)
		}
		return false, &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
}

// tryLock takes the lock of an entry where there are locks, and judges who records the
// run. had says whether it has the lock, which the caller then gives up.
func (s *Spool) tryLock(f afero.File, how int) (had bool, v verdict, err error) {
	had, err = s.flock(f, how)
	if err == nil && !had {
		return false, alive, nil
	}
	if err != nil && !errors.Is(err, errNoLocks) {
		return false, unknown, err
	}
	o, err := readOwner(f)
	if err != nil {
		return had, unknown, errors.Join(err, s.unlock(f, had))
	}
	return had, o.verdict(s.me(), f, had), nil
}

// unlock gives up a lock that was had. Closing the file is not enough: a process that
// this one is about to start has it open too, from its fork until its exec.
func (s *Spool) unlock(f afero.File, had bool) error {
	if !had {
		return nil
	}
	_, err := s.flock(f, unix.LOCK_UN)
	return err
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
