package odb

import (
	"errors"
	"syscall"
)

// ignoreUnsupported drops the errors by which a file system says that it has no
// fsync for folders.
func ignoreUnsupported(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
