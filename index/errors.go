package index

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// errUnusable says that there is no index, or one that cannot be used: it is made anew.
var errUnusable = errors.New("no usable index")

// errDamaged says that a part of the index is not what was written.
var errDamaged = fmt.Errorf("%w: it is damaged", errUnusable)

// damageOr makes damage of an error, unless the system has refused something, such as one
// more open file. That says nothing of the index, which stays as it is.
func damageOr(err error) error {
	var no syscall.Errno
	if errors.As(err, &no) && no != unix.ENOENT && no != unix.ESTALE && no != unix.EISDIR || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// withAdvice adds a way out of what the system has refused.
func withAdvice(err error, dir string) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf(`%w (allow more open files: "ulimit -n 1024", and search again)`, err)
	case errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w (the whole machine has too many open files; search again later)", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w (free some memory, and search again)", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (make %s and what is in it yours, or delete it: it is made again)", err, dir)
	case errors.Is(err, unix.EIO):
		return fmt.Errorf("%w (the disk cannot be read; if that goes on delete %s, which is made again)", err, dir)
	}
	return err
}
