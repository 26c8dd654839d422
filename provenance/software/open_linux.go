package software

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openRegular opens a file that is good, which is found out before it is opened.
func openRegular(path string, good func(*unix.Stat_t) bool) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if !good(&st) {
		return nil, errNotRead
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}
