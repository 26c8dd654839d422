//go:build !linux

package tasks

import "errors"

// noLocksVariable has a process find no locks on any file system.
const noLocksVariable = "TEST_NO_LOCKS"

func withoutLocks() error { return errors.ErrUnsupported }
