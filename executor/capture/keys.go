package capture

import (
	"bytes"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// keys passes typed keys to the command's pseudo-terminal. It reads only while it is
// switched on and in the foreground. It never blocks in a read, since a process that does
// so is stopped when it moves to the background.
type keys struct {
	tty    *terminal
	from   int // the descriptor for reading tty
	pty    int
	wake   [2]int // a byte: check again; closed: end
	lost   chan<- struct{}
	done   chan struct{}
	mu     sync.Mutex // held while reading
	on     bool
	hungUp bool
	closed bool
	rest   []byte       // at the end: keys that were read but could not be passed on
	mine   unix.Termios // the settings of the terminal while its keys are ours
	sigs   *keySignals
}

// newKeys returns keys that are switched off. It sends to lost, without blocking, when
// the terminal is no longer ours.
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

// readable opens a terminal a second time, non-blocking, since another "qme run" may read
// the key that woke us. The original descriptor is shared with other processes and stays
// blocking; it is returned if the terminal is not the controlling one.
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

// expect sets the settings of the terminal while its keys are ours.
func (k *keys) expect(mine unix.Termios) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mine = mine
}

// taken reports whether another program has changed the terminal to read single keys, as
// pinentry does on a terminal given by name. We must not read part of a passphrase until
// that program restores the terminal. A program that reads lines cannot be recognised,
// since a terminal that a user has reset looks the same.
func (k *keys) taken() bool {
	now, err := unix.IoctlGetTermios(k.tty.fd, getTermios)
	return err == nil && now.Lflag&unix.ICANON == 0 && *now != k.mine
}

// switchTo switches reading on or off. After switching off, no read is in progress and
// none will begin.
func (k *keys) switchTo(on bool) {
	k.mu.Lock()
	changed := k.on != on
	k.on = on
	k.mu.Unlock()
	if changed {
		_ = writeAll(k.wake[1], []byte{0}) // our own pipe, which has a reader and room
	}
}

// close ends reading. It may be called several times.
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
			// Switching ends the wait, and the next iteration notices it.
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

// read reads the available keys. At the end of the terminal it returns the end-of-file
// character. wait says that another program has taken the keys.
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

// end returns the end-of-file character of the command's terminal, if it has one.
func (k *keys) end() (char byte, ok bool) {
	t, err := unix.IoctlGetTermios(k.pty, getTermios)
	if err != nil || t.Lflag&unix.ICANON == 0 {
		return 0, false
	}
	return t.Cc[unix.VEOF], true
}

// ended restores end-of-file characters in keys that were typed before the terminal
// became raw.
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

// pass writes to the pseudo-terminal, which may be full while the command does not read.
// It returns false if the command has ended.
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
			_, _ = unix.Poll(fds, -1) // after a signal the write is retried
			if fds[0].Revents&unix.POLLIN != 0 {
				one := make([]byte, 1)
				_, _ = readFD(k.wake[0], one) // switched off or on: keys already read are still passed on
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
