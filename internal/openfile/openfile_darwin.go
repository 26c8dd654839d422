package openfile

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nameOf returns the path of an open file as known to the system, "" if there is none.
func nameOf(fd int) string {
	var buf [unix.PathMax]byte
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETPATH, uintptr(unsafe.Pointer(&buf))); errno != 0 {
		return ""
	}
	return unix.ByteSliceToString(buf[:])
}
