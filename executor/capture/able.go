package capture

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Able returns an error if too few file descriptors are left: the runtime would end the
// process with a dump of its goroutines as soon as it needs one.
func Able() error { return AbleBeside(0) }

// AbleBeside is Able for a program that opens so many more files before it runs a command.
func AbleBeside(more int) error {
	needed := 6 + more
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for range needed {
		fd, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("no file can be opened: %w; raise the limit of descriptors (ulimit -n)", err)
		}
		fds = append(fds, fd)
	}
	return nil
}
