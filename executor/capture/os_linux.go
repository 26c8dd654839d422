package capture

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The differences between systems: this file is for Linux, os_darwin.go for macOS.

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS

	fdFolder = "/proc/self/fd" // contains the descriptors of this process

	maxRSSUnit = 1024 // of ru_maxrss, in bytes

	// pipeSize is the requested size of the command's pipes, the maximum for ordinary
	// users.
	pipeSize = 1 << 20
)

// flagField is the type of the flags of a terminal's settings.
type flagField = uint32

// noteAt are control characters that Linux stores but does not use: see marks.go.
var noteAt = [2]int{len(unix.Termios{}.Cc) - 2, len(unix.Termios{}.Cc) - 1}

// self returns the path for restarting this program, even if its file has been replaced.
func self() (string, error) {
	const link = "/proc/self/exe"
	if _, err := os.Lstat(link); err == nil {
		return link, nil
	}
	return os.Executable()
}

func pipe() (r, w int, err error) {
	var p [2]int
	err = unix.Pipe2(p[:], unix.O_CLOEXEC)
	return p[0], p[1], err
}

// growPipe makes a pipe as large as permitted, and returns its size.
func growPipe(fd int) int {
	if n, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize); err == nil {
		return n
	}
	if n, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0); err == nil {
		return n
	}
	return pipeSize
}

// foregroundGroup is tcgetpgrp(3).
func foregroundGroup(fd int) (int, error) {
	pgrp, err := unix.IoctlGetUint32(fd, unix.TIOCGPGRP)
	return int(pgrp), err
}

// sameTerminal reports whether two descriptors are the same terminal, even if opened
// under different names.
func sameTerminal(a, b int) bool {
	x, err := deviceOf(a)
	if err != nil {
		return false
	}
	y, err := deviceOf(b)
	return err == nil && x == y
}

// sameOpen reports whether one descriptor was duplicated from the other, rather than
// opened separately.
func sameOpen(a, b int) bool {
	const kcmpFile = 0
	pid := uintptr(unix.Getpid())
	order, _, errno := unix.RawSyscall6(unix.SYS_KCMP, pid, pid, kcmpFile, uintptr(a), uintptr(b), 0)
	if errno != 0 { // containers may forbid the call
		return sameOffset(a, b)
	}
	return order == 0
}

// ownPeak returns the peak memory of this process in bytes, which is also the initial
// peak of its child processes.
func ownPeak() int64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
		line, _, _ := bytes.Cut(rest, []byte(" kB"))
		if kb, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64); err == nil {
			return kb << 10
		}
	}
	return maxRSS()
}

// deviceOf returns the device number of a terminal, as stat(2) returns it for its name.
func deviceOf(fd int) (uint64, error) {
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV)
	return uint64(n), err
}
