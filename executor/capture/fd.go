package capture

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// readFD is read(2), restarted after signals.
func readFD(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// writeAll writes all of b. If another process has made the descriptor non-blocking, it
// waits.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		switch err {
		case nil:
			b = b[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
				return err
			}
		default:
			return err
		}
	}
	return nil
}

// isPipe reports whether fd is a pipe or a socket, whose reader can exit.
func isPipe(fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	kind := uint32(st.Mode) & unix.S_IFMT
	return kind == unix.S_IFIFO || kind == unix.S_IFSOCK
}

// inherited returns the descriptors above 2 that this process has inherited and that a
// command would inherit, too, such as those of make's job server. Go opens all
// descriptors with close-on-exec.
func inherited() []int {
	open, err := numbersIn(fdFolder)
	if err != nil {
		return nil
	}
	var fds []int
	for _, fd := range open { // one of them may be that of fdFolder itself
		if fd > 2 && isInherited(fd) {
			fds = append(fds, fd)
		}
	}
	return fds
}

// numbersIn returns the entries of a folder whose names are numbers, such as descriptors
// and processes.
func numbersIn(folder string) ([]int, error) {
	d, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var list []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	return list, nil
}

func isInherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// closedFD in the file list of a process means that this descriptor is closed.
const closedFD = ^uintptr(0)

// placeFiles returns the file list of a process that inherits std and the inherited
// descriptors of this process. It places each of extra at the first free number, and
// returns these numbers.
func placeFiles(std [3]int, extra ...int) (files []uintptr, at []int) {
	for _, fd := range std {
		files = append(files, uintptr(fd))
	}
	for len(extra) > 0 {
		n := len(files)
		if isInherited(n) {
			files = append(files, uintptr(n))
			continue
		}
		files = append(files, uintptr(extra[0]))
		at = append(at, n)
		extra = extra[1:]
	}
	return files, at
}

// onlyFiles returns the file list of a process that gets only fds.
func onlyFiles(fds ...int) []uintptr {
	var files []uintptr
	for _, fd := range fds {
		files = append(files, uintptr(fd))
	}
	for _, fd := range inherited() {
		for len(files) <= fd {
			files = append(files, closedFD)
		}
	}
	return files
}
