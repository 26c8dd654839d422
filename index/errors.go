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

// unusable makes of an error that the index cannot be used, unless the system has refused
// something, such as one more open file. That says nothing of the index, which stays as it is.
func unusable(err error) error {
	if errors.Is(err, errUnusable) || !refused(err) {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	return err
}

func refused(err error) bool {
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	var no syscall.Errno
	return errors.As(err, &no) && no != unix.ENOENT && no != unix.ESTALE && no != unix.EISDIR && no != unix.ENOTDIR
}

// withAdvice adds the way out of what the system has refused.
func withAdvice(err error) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf(`%w (allow more open files, as "ulimit -n 4096" does, and search again)`, err)
	case errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w (the whole machine has too many open files; search again later)", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w (free some memory, and search again)", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (the index can be deleted: it is made again)", err)
	}
	return err
}
