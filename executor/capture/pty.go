package capture

import (
	"fmt"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ptyCapacity is larger than the buffer of a pseudo-terminal, in bytes.
const ptyCapacity = 128 << 10

// A ptyPair is a pseudo-terminal. Both descriptors are close-on-exec; the master is
// non-blocking.
type ptyPair struct {
	master, slave int
	name          string // of the slave
}

// openPTY opens a pseudo-terminal with the size and settings of the terminal like.
func openPTY(like int) (ptyPair, error) {
	p, err := newPTY()
	if err != nil {
		return p, err
	}
	copySize(like, p.master)
	t, err := cookedSettings(like)
	if err == nil {
		err = unix.IoctlSetTermios(p.slave, setTermios, &t)
	}
	if err != nil {
		p.close()
		return p, fmt.Errorf("set up a pseudo-terminal: %w", err)
	}
	return p, nil
}

// openSidePTY opens a pseudo-terminal for output only, which passes bytes on unchanged.
func openSidePTY(like int) (ptyPair, error) {
	p, err := openPTY(like)
	if err != nil {
		return p, err
	}
	if err := setOPOST(p.slave, false); err != nil {
		p.close()
		return p, fmt.Errorf("set up a pseudo-terminal: %w", err)
	}
	return p, nil
}

// setOPOST switches the output processing of a pseudo-terminal, given either end.
func setOPOST(fd int, on bool) error {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	t.Oflag &^= unix.OPOST
	if on {
		t.Oflag |= unix.OPOST
	}
	return unix.IoctlSetTermios(fd, setTermios, t)
}

func newPTY() (ptyPair, error) {
	m, s, err := pty.Open()
	if err != nil {
		return ptyPair{master: -1, slave: -1}, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	// Duplicate the descriptors, since a garbage-collected *os.File closes its
	// descriptor, and Fd makes it blocking.
	defer m.Close()
	defer s.Close()
	p := ptyPair{master: -1, slave: -1, name: s.Name()}
	if p.master, err = dup(int(m.Fd())); err == nil {
		if p.slave, err = dup(int(s.Fd())); err == nil {
			err = unix.SetNonblock(p.master, true)
		}
	}
	if err != nil {
		p.close()
		return p, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	return p, nil
}

func dup(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
}

func (p ptyPair) close() {
	for _, fd := range []int{p.master, p.slave} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
