//go:build !linux

package ask

import (
	"os"
	"syscall"
)

// terminate asks a program that has no group of its own to end.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
