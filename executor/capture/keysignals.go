package capture

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A keySignals sends signals of keys to the other processes of the foreground. A terminal
// sends the signal of Ctrl-C to its whole foreground: the command, and the script, make
// or loop that started it. While the user's terminal is raw, only the command's own
// terminal turns keys into signals, and sends them to the command alone.
type keySignals struct {
	pty  int
	tell func(syscall.Signal) // sends a signal to the rest of our process group

	quoted bool // the next key is literal

	mu   sync.Mutex // guards:
	last syscall.Signal
}

// typed must be called with keys after they have been written to the command.
func (k *keySignals) typed(b []byte) {
	t, err := unix.IoctlGetTermios(k.pty, getTermios)
	if err != nil {
		return
	}
	inner := *t
	if before, ok := withoutNote(t); ok {
		inner = before // a "qme run" within the command has made it raw; its keys have the same meaning
	}
	acts := t.Lflag&unix.ISIG != 0
	for _, key := range b {
		sig := k.meaning(key, t)
		if sig != 0 && acts {
			k.tell(sig)
			sig = 0
		} else if sig != 0 && inner.Lflag&unix.ISIG == 0 {
			sig = 0 // the program reads it as an ordinary key
		}
		k.mu.Lock()
		k.last = sig
		k.mu.Unlock()
	}
}

// meaning returns the signal for a key, 0 for none.
func (k *keySignals) meaning(key byte, t *unix.Termios) syscall.Signal {
	const noKey = 0 // _POSIX_VDISABLE
	quoted := k.quoted
	k.quoted = false
	switch {
	case quoted || key == noKey:
		return 0
	case key == t.Cc[unix.VINTR]:
		return unix.SIGINT
	case key == t.Cc[unix.VQUIT]:
		return unix.SIGQUIT
	}
	const quotes = unix.ICANON | unix.IEXTEN
	k.quoted = key == t.Cc[unix.VLNEXT] && t.Lflag&quotes == quotes
	return 0
}

// ended must be called with the signal that ended the command. If that signal's key was
// typed last and a "qme run" within the command handled it, the other processes get the
// signal now.
func (k *keySignals) ended(sig syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if sig != 0 && sig == k.last {
		k.last = 0
		k.tell(sig)
	}
}
