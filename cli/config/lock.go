package config

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/regular"
)

// The ages from which on a lock may be a dead process's: an edit takes milliseconds. Where
// the file system has no locks, nothing tells that its process is gone but its age.
const (
	staleAge   = time.Second
	noLocksAge = time.Minute
)

// hold marks a lock as that of a process that lives, until release. Where that cannot be
// done its age has to do.
func hold(fsys afero.Fs, lock string) (release func()) {
	f, err := regular.Open(fsys, lock, os.O_RDWR, 0)
	if err != nil {
		return func() {}
	}
	_ = lockfile.Try(f, lockfile.Exclusive) // the file is new: no other has its lock
	return func() {
		_ = lockfile.Unlock(f)
		_ = f.Close() // nothing was written by it
	}
}

// removeStale removes a lock whose process is gone. It reports whether it did.
func removeStale(fsys afero.Fs, lock string) (bool, error) {
	f, err := regular.Open(fsys, lock, os.O_RDWR, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist), nil // it went by itself, or is no lock of ours: it is waited for
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	age := time.Since(info.ModTime())
	switch err := lockfile.Try(f, lockfile.Exclusive); {
	case errors.Is(err, lockfile.ErrHeld), age < staleAge, err != nil && age < noLocksAge:
		return false, nil
	}
	// Another may have removed it, and made a new one, before the lock was had.
	now, err := fsys.Stat(lock)
	if err != nil || !os.SameFile(info, now) {
		return errors.Is(err, fs.ErrNotExist), nil
	}
	return true, fsys.Remove(lock)
}
