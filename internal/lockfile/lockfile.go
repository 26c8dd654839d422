// Package lockfile locks files with flock(2).
//
// Such a lock ends with its process and is visible in other containers. Some network file
// systems apply locks only within one machine, others have none, and files in memory
// cannot be locked. So a lock can only save duplicate work or show that a process is
// alive. Exclusion that must hold everywhere needs a file created with O_EXCL, or a
// rename, as well.
package lockfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/internal/regular"
)

// A Kind says whether a lock is exclusive.
type Kind int

// The kinds of locks: one process can hold an Exclusive lock, any number a Shared one.
const (
	Exclusive Kind = unix.LOCK_EX
	Shared    Kind = unix.LOCK_SH
)

var (
	// ErrHeld means that another process, or another open file of this process, holds the
	// lock.
	ErrHeld = errors.New("another has the lock")
	// ErrNone means that the file system has no locks.
	ErrNone = errors.New("this file system has no locks")
)

// noLocks are the errors of file systems without locks.
var noLocks = []error{unix.ENOLCK, unix.ENOSYS, unix.ENOTSUP, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOTTY}

// None reports whether an error of the kernel, in whatever else it is wrapped, is that of a file
// system without locks.
func None(err error) bool {
	return slices.ContainsFunc(noLocks, func(no error) bool { return errors.Is(err, no) })
}

// Try locks an open file without waiting. The error is ErrHeld if the lock is held
// elsewhere, wraps ErrNone if there are no locks, or is that of the kernel. The file
// still belongs to the caller, which must call Unlock before closing it.
func Try(f afero.File, kind Kind) error { return flock(f, int(kind)|unix.LOCK_NB) }

// Unlock releases the lock of an open file; it does nothing without a lock. Closing the
// file is not enough: a child process has it open, too, from its fork until its exec.
func Unlock(f afero.File) error {
	if err := flock(f, unix.LOCK_UN); !errors.Is(err, ErrNone) {
		return err
	}
	return nil
}

func flock(f afero.File, how int) error {
	real, ok := f.(*os.File)
	if !ok {
		return fmt.Errorf("%s: %w", f.Name(), ErrNone)
	}
	for {
		err := unix.Flock(int(real.Fd()), how)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, unix.EINTR):
			continue
		case None(err):
			err = fmt.Errorf("%w: %w", ErrNone, err)
		}
		return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
}

// A File is an open lock file. Its content is for processes that find it locked.
type File struct {
	afero.File
	// Locked is false if the kernel granted no lock although no other holder is known, as
	// on file systems without locks.
	Locked bool
}

// Open opens a lock file, creating it if needed, and locks it until Close. It does not
// wait: the error is ErrHeld if the lock is held elsewhere. The error is a regular.Error
// if path is not a regular file.
func Open(fsys afero.Fs, path string, kind Kind) (*File, error) {
	f, err := regular.Open(fsys, path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = Try(f, kind)
	if errors.Is(err, ErrHeld) {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f, err == nil}, nil
}

// Wait is like Open, but waits for the lock until ctx is done; the error is then ErrHeld.
// The kernel grants the lock in order of arrival.
func Wait(ctx context.Context, fsys afero.Fs, path string, kind Kind) (*File, error) {
	f, err := regular.Open(fsys, path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err = Try(f, kind); !errors.Is(err, ErrHeld) {
		return &File{f, err == nil}, nil
	}
	done := make(chan error, 1)
	go func() { done <- flock(f, int(kind)) }()
	select {
	case err := <-done:
		return &File{f, err == nil}, nil
	case <-ctx.Done():
		go func() { // the call cannot be interrupted, so the lock may be granted too late
			if <-done == nil {
				_ = Unlock(f)
			}
			_ = f.Close()
		}()
		return nil, ErrHeld
	}
}

// Close releases the lock and closes the file.
func (f *File) Close() error {
	if !f.Locked {
		return f.File.Close()
	}
	return errors.Join(Unlock(f.File), f.File.Close())
}
