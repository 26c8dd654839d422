package odb

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"qme/record"
)

// notDamage are errors of the system that are no damage to files. All others are, such as
// a sector that cannot be read.
var notDamage = []syscall.Errno{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EACCES, syscall.EPERM,
	syscall.ESTALE, syscall.EINTR, syscall.EAGAIN, syscall.ETIMEDOUT,
}

// damage makes err a record.ErrCorrupt, unless it is the system's about something
// else: that the disk is full, or that no more files can be opened.
func damage(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && slices.Contains(notDamage, errno) {
		return err
	}
	return fmt.Errorf("%w: %w", err, record.ErrCorrupt)
}

// A PackError says that a pack which came from elsewhere is damaged. It is a
// record.ErrCorrupt, and says nothing about this database.
type PackError struct{ err error }

// Error implements error.
func (e *PackError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *PackError) Unwrap() error { return e.err }

// An ownError is about this database, while a pack is received.
type ownError struct{ error }

// Unwrap returns the cause.
func (e *ownError) Unwrap() error { return e.error }

// received tells whose damage it is that has ended a Receive.
func received(err error) error {
	var own *ownError
	if errors.Is(err, record.ErrCorrupt) && !errors.As(err, &own) {
		return &PackError{err}
	}
	return err
}
