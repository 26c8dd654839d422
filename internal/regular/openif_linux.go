package regular

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenIf opens a file for reading if good accepts its state. The state is found out without
// opening the file: that would release the writer of a FIFO, or bring a file back from tape. The
// error wraps ErrNot if good rejects it.
func OpenIf(path string, good func(*unix.Stat_t) bool) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if !good(&st) {
		return nil, fmt.Errorf("%s: %w", path, ErrNot)
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}
