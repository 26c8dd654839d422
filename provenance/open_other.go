//go:build !linux

package provenance

import (
	"os"

	"golang.org/x/sys/unix"
)

// openIn opens a file that is in a state.
func openIn(path string, want *state) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err == nil && !unchanged(f, want) {
		_ = f.Close() // it was only read
		err = errChanged
	}
	return f, err
}
