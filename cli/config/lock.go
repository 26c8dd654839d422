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

// The ages from which a lock may be that of a dead process; an edit takes milliseconds.
// noLocksAge is for file systems without locks, where only the age tells that a process
// is dead.
const (
	staleAge   = time.Second
	noLocksAge = time.Minute
)

// hold locks the lock file until release to show that its process is alive. Without
// support for locks, its age is used instead.
func hold(fsys afero.Fs, lock string) (release func()) {
	f, err := regular.Open(fsys, lock, os.O_RDWR, 0)
	if err != nil {
		return func() {}
	}
	_ = lockfile.Try(f, lockfile.Exclusive) // the file is new, so no other process has locked it
	return func() {
		_ = lockfile.Unlock(f)
		_ = f.Close() // nothing was written through it
	}
}

// removeStale removes a lock whose process is dead. It reports whether the lock is gone.
func removeStale(fsys afero.Fs, lock string) (bool, error) {
	f, err := regular.Open(fsys, lock, os.O_RDWR, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist), nil // already removed, or not a lock of ours; then wait for it
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
	// Another process may have replaced the lock before we locked the file.
	now, err := fsys.Stat(lock)
	if err != nil || !os.SameFile(info, now) {
		return errors.Is(err, fs.ErrNotExist), nil
	}
	return true, fsys.Remove(lock)
}
