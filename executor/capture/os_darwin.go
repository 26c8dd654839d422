package capture

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The differences between systems: this file is for macOS, os_linux.go for Linux.

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA

	fdFolder = "/dev/fd" // a name for each of this process's descriptors

	maxRSSUnit = 1 // of ru_maxrss, in bytes

	pipeSize = 64 << 10 // to which the kernel lets a pipe grow by itself
)

// flagField is the type of the flags of a terminal's settings.
type flagField = uint64

// noteAt are control characters that the system calls spare: see marks.go.
var noteAt = [2]int{7, 19}

// self is the path under which this program can be started again.
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

// growPipe returns a pipe's size, which cannot be set.
func growPipe(int) int { return pipeSize }

// foregroundGroup is tcgetpgrp(3).
func foregroundGroup(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCGPGRP) }

// sameTerminal says whether two descriptors are one terminal. Under its alias
// /dev/tty a terminal is not recognised.
func sameTerminal(a, b int) bool {
	x, err := deviceOf(a)
	if err != nil {
		return false
	}
	y, err := deviceOf(b)
	return err == nil && x == y
}

// sameOpen says whether one descriptor was made of the other, as far as it can be told.
func sameOpen(a, b int) bool { return sameOffset(a, b) }

// nameOf returns the path under which the system knows an open file, "" when it does not
// tell.
func nameOf(fd int) string {
	var buf [unix.PathMax]byte
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETPATH, uintptr(unsafe.Pointer(&buf))); errno != 0 {
		return ""
	}
	return unix.ByteSliceToString(buf[:])
}

// ownPeak returns how much memory this process has occupied at most, in bytes: what a
// process that it starts may have on its account from the beginning.
func ownPeak() int64 { return maxRSS() }

// deviceOf returns the number of a terminal's device.
func deviceOf(fd int) (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return uint64(st.Rdev), err
}
