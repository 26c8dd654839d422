//go:build !linux

package trace

import (
	"os"
)

// Helper does nothing: there is no keeper.
func Helper() {}

// Install fails: nothing can be traced on this system.
func Install(int) error { return ErrUnsupported }

// KeepsPrivileges returns true: nothing is traced.
func KeepsPrivileges() bool { return true }

// A Tracer is never made on this system.
type Tracer struct{}

// New fails: nothing can be traced on this system.
func New(string) (*Tracer, error) { return nil, ErrUnsupported }

// Stage returns nil.
func (*Tracer) Stage() *os.File { return nil }

// Address returns "".
func (*Tracer) Address() string { return "" }

// Started fails.
func (*Tracer) Started() error { return ErrUnsupported }

// End fails.
func (*Tracer) End() (Result, error) { return Result{}, ErrUnsupported }
