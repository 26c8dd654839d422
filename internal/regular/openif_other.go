//go:build !linux

package regular

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenIf opens a file for reading if good accepts its state, before it is opened and after. The
// error wraps ErrNot if good rejects it.
func OpenIf(path string, good func(*unix.Stat_t) bool) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if !good(&st) {
		return nil, fmt.Errorf("%s: %w", path, ErrNot)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || !good(&st) {
		_ = f.Close() // it was only looked at
		return nil, fmt.Errorf("%s: %w", path, ErrNot)
	}
	return f, nil
}
