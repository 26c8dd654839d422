package capture

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A terminal sends the signal of Ctrl-C to all of its foreground: to the command, and to
// the script, make or loop that has started it. While it is raw, only the command's own
// terminal knows that a key means a signal, and tells the command alone. keySignals tells
// the others.
type keySignals struct {
	pty  int
	tell func(syscall.Signal) // sends a signal to the rest of our process group

	quoted bool // the next key is taken as it is

	mu   sync.Mutex // guards:
	last syscall.Signal
}

// typed is told of keys once they are with the command.
func (k *keySignals) typed(b []byte) {
	t, err := unix.IoctlGetTermios(k.pty, getTermios)
	if err != nil {
		return
	}
	inner := *t
	if before, ok := withoutNote(t); ok {
		inner = before // a "qme run" in the command has made it raw: its keys mean the same
	}
	acts := t.Lflag&unix.ISIG != 0
	for _, key := range b {
		sig := k.meaning(key, t)
		if sig != 0 && acts {
			k.tell(sig)
			sig = 0
		} else if sig != 0 && inner.Lflag&unix.ISIG == 0 {
			sig = 0 // a program that reads it as a key
		}
		k.mu.Lock()
		k.last = sig
		k.mu.Unlock()
	}
}

// meaning returns the signal that a key stands for, 0 for none.
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

// ended is told of the signal that has ended the command. Where the key for it was typed
// last and a "qme run" in the command kept it to itself, its end passes it on: the
// others are told now.
func (k *keySignals) ended(sig syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if sig != 0 && sig == k.last {
		k.last = 0
		k.tell(sig)
	}
}
