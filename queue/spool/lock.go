package spool

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// tryLock takes an exclusive lock on a file of the real file system. It ends with
// the process, however that ends, and holds across process id namespaces, which
// a process id in a file does not.
func tryLock(f afero.File) (bool, error) { return flock(f, unix.LOCK_EX) }

// tryLockShared looks whether tryLock holds it, without getting in the way of
// another that looks.
func tryLockShared(f afero.File) (bool, error) { return flock(f, unix.LOCK_SH) }

// unlock gives up what tryLock took. Closing the file is not enough: a process that
// this one is about to start has it open too, from its fork until its exec.
func unlock(f afero.File) error {
	_, err := flock(f, unix.LOCK_UN)
	return err
}

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
		case !errors.Is(err, unix.EINTR):
			return false, &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
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
