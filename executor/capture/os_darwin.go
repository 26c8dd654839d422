package capture

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The differences between systems: this file is for macOS, os_linux.go for Linux.

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA

	fdFolder = "/dev/fd" // contains the descriptors of this process

	maxRSSUnit = 1 // of ru_maxrss, in bytes

	pipeSize = 64 << 10 // the size to which the kernel lets a pipe grow
)

// flagField is the type of the flags of a terminal's settings.
type flagField = uint64

// noteAt are control characters that the system calls spare: see marks.go.
var noteAt = [2]int{7, 19}

// self returns the path for restarting this program.
func self() (string, error) { return os.Executable() }

func pipe() (r, w int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return -1, -1, err
	}
	unix.CloseOnExec(p[0])
	unix.CloseOnExec(p[1])
	return p[0], p[1], nil
}

// growPipe returns the size of a pipe, which cannot be changed.
func growPipe(int) int { return pipeSize }

// foregroundGroup is tcgetpgrp(3).
func foregroundGroup(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCGPGRP) }

// sameTerminal reports whether two descriptors are the same terminal. It does not
// recognise a terminal under its alias /dev/tty.
func sameTerminal(a, b int) bool {
	x, err := deviceOf(a)
	if err != nil {
		return false
	}
	y, err := deviceOf(b)
	return err == nil && x == y
}

// sameOpen reports whether one descriptor was duplicated from the other, as far as that
// can be told.
func sameOpen(a, b int) bool { return sameOffset(a, b) }

// ownPeak returns the peak memory of this process in bytes, which may be attributed to
// its child processes.
func ownPeak() int64 { return maxRSS() }

// deviceOf returns the device number of a terminal.
func deviceOf(fd int) (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return uint64(st.Rdev), err
}
