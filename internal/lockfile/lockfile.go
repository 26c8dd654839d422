// Package lockfile takes the kernel's locks (flock) on files.
//
// Such a lock ends with its process, however that ends, and is seen from other containers.
// Some network file systems have it for each machine alone, others not at all, and files in
// memory never. So a lock only spares processes each other's work, or tells that one lives:
// what has to be exclusive everywhere needs a file made with O_EXCL, or a rename, as well.
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

// A Kind says whether several may have a lock at once.
type Kind int

// The kinds of locks: one process has an Exclusive lock, or any number a Shared one.
const (
	Exclusive Kind = unix.LOCK_EX
	Shared    Kind = unix.LOCK_SH
)

var (
	// ErrHeld says that another has the lock: another process, or another open file of
	// this one.
	ErrHeld = errors.New("another has the lock")
	// ErrNone says that the file system has no locks.
	ErrNone = errors.New("this file system has no locks")
)

// noLocks are the answers of file systems without locks.
var noLocks = []error{unix.ENOLCK, unix.ENOSYS, unix.ENOTSUP, unix.EOPNOTSUPP, unix.EINVAL, unix.ENOTTY}

// Try locks an open file, without waiting. The error is ErrHeld when another has the lock,
// wraps ErrNone when there are no locks, or is the kernel's. The file stays the caller's,
// who calls Unlock before it is closed.
func Try(f afero.File, kind Kind) error { return flock(f, int(kind)|unix.LOCK_NB) }

// Unlock gives up the lock of an open file. Closing the file is not enough: a process that
// this one is about to start has it open too, from its fork until its exec. Without a lock
// nothing happens.
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
		case slices.ContainsFunc(noLocks, func(no error) bool { return errors.Is(err, no) }):
			err = fmt.Errorf("%w: %w", ErrNone, err)
		}
		return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
}

// A File is an open lock file. What is written into it is for those that find it held.
type File struct {
	afero.File
	// Locked is false where the kernel gave no lock and nobody is known to have it, as on
	// file systems without locks.
	Locked bool
}

// Open opens a lock file, which it makes where there is none, and takes its lock, which lasts
// until Close. It does not wait: the error is ErrHeld when another has the lock. It is a
// regular.Error when something else is in the place of the file.
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

// Wait is Open that waits for the lock until ctx is done: the error is ErrHeld then. The
// kernel serves those that wait in the order in which they came.
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
		go func() { // the call cannot be ended, so the lock may come too late
			if <-done == nil {
				_ = Unlock(f)
			}
			_ = f.Close()
		}()
		return nil, ErrHeld
	}
}

// Close gives up the lock and closes the file.
func (f *File) Close() error {
	if !f.Locked {
		return f.File.Close()
	}
	return errors.Join(Unlock(f.File), f.File.Close())
}
