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

// inForeground says whether this process may use the terminal. Where the terminal
// is not the controlling one there is no job control on it, and nothing forbids.
func inForeground(fd int) bool {
	pgrp, err := foregroundGroup(fd)
	if errors.Is(err, unix.ENOTTY) {
		return true
	}
	return err == nil && pgrp == unix.Getpgrp()
}

// cookedSettings returns the settings of a terminal, those before if another "qme run" has
// made it raw.
func cookedSettings(fd int) (unix.Termios, error) {
	now, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return unix.Termios{}, err
	}
	before, _ := withoutNote(now)
	return before, nil
}

// passesOn says whether a terminal passes line ends on as they are.
func passesOn(fd int) bool {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	return err == nil && t.Oflag&unix.OPOST == 0
}

// copySize makes one terminal as large as the other. It returns false when it already
// was, or has no size: then no process has been told of a change.
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

// sizeOf returns the size of a terminal, the zero value where it has none.
func sizeOf(fd int) unix.Winsize {
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return unix.Winsize{}
	}
	return *size
}

// A terminal is the user's, in so far as we change it.
type terminal struct {
	fd  int
	raw bool
	// shared: another "qme run" had made it raw, and sets it back when it ends, although
	// we may still need it raw.
	shared bool
	saved  unix.Termios // as it was, while raw
	mine   unix.Termios // as we have set it, while raw
	// ahead is how many bytes had been typed before it became raw. Among them a NUL stands
	// for the end of input: so the kernel keeps it of a line that is edited.
	ahead atomic.Int64
}

// enterRaw makes the terminal pass all bytes on untouched. It may be called
// again when another process may have changed the terminal, such as the shell while
// we were stopped.
func (t *terminal) enterRaw() error {
	now, err := unix.IoctlGetTermios(t.fd, getTermios)
	if err != nil {
		return err
	}
	if t.raw && *now == t.mine {
		return nil
	}
	t.saved, t.mine = *now, rawTermios(*now)
	// A terminal that another "qme run" has made raw is set back by that one.
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
	// As the kernel has taken it, to recognise it by.
	if now, err := unix.IoctlGetTermios(t.fd, getTermios); err == nil {
		t.mine = *now
	}
	return nil
}

// leaveRaw sets the terminal back, unless another program has set it since.
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

// rawTermios is cfmakeraw(3), but leaves the line's speed, parity and character size
// as they are.
func rawTermios(t unix.Termios) unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cc[unix.VMIN] = 1
	t.Cc[unix.VTIME] = 0
	return t
}
