package capture

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

func isTerminal(fd int) bool {
	if fd < 0 {
		return false
	}
	_, err := unix.IoctlGetTermios(fd, getTermios)
	return err == nil
}

// inForeground reports whether this process may use the terminal. A terminal other than
// the controlling one has no job control, so it may be used.
func inForeground(fd int) bool {
	pgrp, err := foregroundGroup(fd)
	if errors.Is(err, unix.ENOTTY) {
		return true
	}
	return err == nil && pgrp == unix.Getpgrp()
}

// cookedSettings returns the settings of a terminal, or its previous settings if another
// "qme run" has made it raw.
func cookedSettings(fd int) (unix.Termios, error) {
	now, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return unix.Termios{}, err
	}
	before, _ := withoutNote(now)
	return before, nil
}

// passesOn reports whether a terminal passes line ends on unchanged.
func passesOn(fd int) bool {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	return err == nil && t.Oflag&unix.OPOST == 0
}

// copySize sets the size of one terminal to that of another. It returns false if the
// sizes were equal or unknown; then no process has been signalled.
func copySize(from, to int) bool {
	size, err := unix.IoctlGetWinsize(from, unix.TIOCGWINSZ)
	if err != nil {
		return false
	}
	old, err := unix.IoctlGetWinsize(to, unix.TIOCGWINSZ)
	if err != nil || *old == *size {
		return false
	}
	return unix.IoctlSetWinsize(to, unix.TIOCSWINSZ, size) == nil
}

// sizeOf returns the size of a terminal, the zero value if it has none.
func sizeOf(fd int) unix.Winsize {
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return unix.Winsize{}
	}
	return *size
}

// A terminal is the user's terminal, as far as we change it.
type terminal struct {
	fd  int
	raw bool
	// shared: another "qme run" has made it raw, and restores it when it ends, although
	// we may still need it raw.
	shared bool
	saved  unix.Termios // previous settings, while raw
	mine   unix.Termios // our settings, while raw
	// ahead is the number of bytes typed before it became raw. A NUL among them stands
	// for the end of input, since the kernel stores that in a line that is being edited.
	ahead atomic.Int64
}

// enterRaw makes the terminal pass on all bytes unchanged. It may be called again after
// another process may have changed the terminal, such as the shell while we were stopped. A
// program that reads single keys from it meanwhile keeps it: see keys.taken.
func (t *terminal) enterRaw() error {
	now, err := unix.IoctlGetTermios(t.fd, getTermios)
	if err != nil {
		return err
	}
	if t.raw && (*now == t.mine || now.Lflag&unix.ICANON == 0) {
		return nil
	}
	t.saved, t.mine = *now, rawTermios(*now)
	// A terminal made raw by another "qme run" is restored by that one.
	if _, t.shared = withoutNote(now); !t.shared {
		mark(&t.mine, now)
	}
	if err := unix.IoctlSetTermios(t.fd, setTermios, &t.mine); err != nil {
		return err
	}
	t.raw = true
	if now.Lflag&unix.ICANON != 0 {
		t.ahead.Store(int64(typedAhead(t.fd)))
	}
	// Read the settings as the kernel stored them, for later comparison.
	if now, err := unix.IoctlGetTermios(t.fd, getTermios); err == nil {
		t.mine = *now
	}
	return nil
}

// leaveRaw restores the terminal, unless another program has changed it since.
func (t *terminal) leaveRaw() error {
	if !t.raw {
		return nil
	}
	t.raw = false
	return setBack(t.fd, &t.saved, &t.mine)
}

func setBack(fd int, saved, mine *unix.Termios) error {
	now, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	if *now != *mine {
		return nil
	}
	return unix.IoctlSetTermios(fd, setTermios, saved)
}

// rawTermios is cfmakeraw(3), but keeps the speed, parity and character size of the line.
func rawTermios(t unix.Termios) unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cc[unix.VMIN] = 1
	t.Cc[unix.VTIME] = 0
	return t
}
