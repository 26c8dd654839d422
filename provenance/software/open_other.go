//go:build !linux

package software

import (
	"os"

	"golang.org/x/sys/unix"
)

// openRegular opens a file that is good.
func openRegular(path string, good func(*unix.Stat_t) bool) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	if !good(&st) {
		return nil, errNotRead
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || !good(&st) {
		_ = f.Close() // it was only looked at
		return nil, errNotRead
	}
	return f, nil
}
