package capture

import (
	"bytes"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// keys passes typed keys on to the command's pseudo-terminal. It reads only while it is
// switched on and in the foreground, and never blocks in a read: a process that does is
// stopped when it comes to the background.
type keys struct {
	tty    *terminal
	from   int // the descriptor with which tty is read
	pty    int
	wake   [2]int // a byte: look again; closed: end
	lost   chan<- struct{}
	done   chan struct{}
	mu     sync.Mutex // held while reading
	on     bool
	hungUp bool
	closed bool
	rest   []byte       // after the end: keys that were read and could not be passed on
	mine   unix.Termios // as the terminal must be for its keys to be ours
	sigs   *keySignals
}

// newKeys makes keys that are switched off. It sends to lost, without waiting, when the
// terminal is no longer ours.
func newKeys(tty *terminal, pty int, lost chan<- struct{}) (*keys, error) {
	r, w, err := pipe()
	if err != nil {
		return nil, err
	}
	k := &keys{tty: tty, from: readable(tty.fd), pty: pty, wake: [2]int{r, w}, lost: lost, done: make(chan struct{})}
	k.sigs = &keySignals{pty: pty, tell: signalGroup}
	go k.run()
	return k, nil
}

// readable opens a terminal a second time, non-blocking: another "qme run" may read the key
// for which we were woken. The first descriptor is shared with other processes and stays
// blocking; it is used where the terminal is not the controlling one.
func readable(tty int) int {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return tty
	}
	if !sameTerminal(fd, tty) {
		unix.Close(fd)
		return tty
	}
	return fd
}

// expect says how the terminal is set while its keys are ours.
func (k *keys) expect(mine unix.Termios) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mine = mine
}

// taken says whether another program has set the terminal for itself, to read it key by
// key: pinentry does that on a terminal that it was given by name. It would have to share
// a passphrase with us, until it sets the terminal back. A program that reads lines cannot
// be recognised, since a terminal that is repaired by hand looks the same.
func (k *keys) taken() bool {
	now, err := unix.IoctlGetTermios(k.tty.fd, getTermios)
	return err == nil && now.Lflag&unix.ICANON == 0 && *now != k.mine
}

// switchTo switches the reading. When it returns from switching off, no read is in
// progress and none will begin.
func (k *keys) switchTo(on bool) {
	k.mu.Lock()
	changed := k.on != on
	k.on = on
	k.mu.Unlock()
	if changed {
		_ = writeAll(k.wake[1], []byte{0}) // a pipe of ours: it has a reader and room
	}
}

// close ends the reading. It may be called again.
func (k *keys) close() {
	if k.closed {
		return
	}
	k.closed = true
	k.switchTo(false)
	unix.Close(k.wake[1])
	<-k.done
	unix.Close(k.wake[0])
	if k.from != k.tty.fd {
		unix.Close(k.from)
	}
}

func (k *keys) run() {
	defer close(k.done)
	buf := make([]byte, 4096)
	for {
		tty := unix.PollFd{Fd: -1}
		if k.isOn() {
			tty = unix.PollFd{Fd: int32(k.from), Events: unix.POLLIN}
		}
		fds := []unix.PollFd{{Fd: int32(k.wake[0]), Events: unix.POLLIN}, tty}
		if _, err := unix.Poll(fds, -1); err != nil {
			continue // a signal
		}
		if fds[0].Revents != 0 {
			if n, _ := readFD(k.wake[0], buf); n <= 0 {
				return
			}
			continue
		}
		b, wait := k.read(buf)
		if wait {
			// Switching ends the wait, which the next round sees.
			_, _ = unix.Poll(fds[:1], int(pollInterval/time.Millisecond))
			continue
		}
		if !k.pass(b) {
			return
		}
	}
}

func (k *keys) isOn() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.on && !k.hungUp
}

// read reads the keys that are there. At the terminal's end it returns the character for the
// end of input. wait says that keys are another program's now.
func (k *keys) read(buf []byte) (b []byte, wait bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.on {
		return nil, false
	}
	if !inForeground(k.tty.fd) {
		k.on = false
		select {
		case k.lost <- struct{}{}:
		default:
		}
		return nil, false
	}
	if k.taken() {
		return nil, true
	}
	n, err := unix.Read(k.from, buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil, false
	case n > 0:
		return k.ended(buf[:n]), false
	}
	k.hungUp = true
	if end, ok := k.end(); ok {
		return []byte{end}, false
	}
	return nil, false
}

// end returns the character that means the end of input to the command, if any does.
func (k *keys) end() (char byte, ok bool) {
	t, err := unix.IoctlGetTermios(k.pty, getTermios)
	if err != nil || t.Lflag&unix.ICANON == 0 {
		return 0, false
	}
	return t.Cc[unix.VEOF], true
}

// ended puts the character for the end of input back into keys that were typed before the
// terminal was raw.
func (k *keys) ended(b []byte) []byte {
	ahead := k.tty.ahead.Load()
	if ahead == 0 {
		return b
	}
	n := min(int64(len(b)), ahead)
	k.tty.ahead.Add(-n)
	if end, ok := k.end(); ok {
		copy(b, bytes.ReplaceAll(b[:n], []byte{0}, []byte{end}))
	}
	return b
}

// pass writes to the pseudo-terminal, which may be full for as long as the command
// does not read. It returns false when the command's end has made that pointless.
func (k *keys) pass(b []byte) bool {
	for len(b) > 0 {
		n, err := unix.Write(k.pty, b)
		switch err {
		case nil:
			k.sigs.typed(b[:n])
			b = b[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			fds := []unix.PollFd{{Fd: int32(k.wake[0]), Events: unix.POLLIN}, {Fd: int32(k.pty), Events: unix.POLLOUT}}
			_, _ = unix.Poll(fds, -1) // a signal: the write is tried again
			if fds[0].Revents&unix.POLLIN != 0 {
				one := make([]byte, 1)
				_, _ = readFD(k.wake[0], one) // switched off or on: keys that were read are passed on all the same
			} else if fds[0].Revents != 0 {
				k.rest = b
				return false
			}
		default:
			return false
		}
	}
	return true
}
