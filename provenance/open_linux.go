package provenance

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openIn opens a file that is in a state. What it has become meanwhile is not opened: that would
// release the writer of a FIFO, or bring a file back from tape.
func openIn(path string, want *state) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if !unchanged(f, want) {
		return nil, errChanged
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}
