package capture

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unread returns the remaining input of a pseudo-terminal that no process has open any
// more.
func unread(master int) (left []byte) {
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_NONBLOCK | unix.O_CLOEXEC
	slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, flags)
	if errno != 0 {
		return nil // before Linux 4.13
	}
	fd := int(slave)
	defer unix.Close(fd)
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil
	}
	t.Lflag &^= unix.ICANON // otherwise an incomplete line could not be read
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 0, 0
	if err := unix.IoctlSetTermios(fd, setTermios, t); err != nil {
		return nil
	}
	buf := make([]byte, 4096)
	for {
		n, err := readFD(fd, buf)
		if n <= 0 || err != nil {
			return left
		}
		// A NUL stands for the end of input, that is Ctrl-D; keyboards do not send it.
		left = append(left, bytes.ReplaceAll(buf[:n], []byte{0}, nil)...)
	}
}

// typeInto inserts b into the input of the terminal.
func typeInto(fd int, b byte) bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSTI, uintptr(unsafe.Pointer(&b)))
	return errno == 0
}

// typedAhead returns the number of bytes of input that a terminal holds. The terminal must
// not be in canonical mode, which counts complete lines only.
func typedAhead(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}
