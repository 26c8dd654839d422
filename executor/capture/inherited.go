package capture

import (
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// From firstOfC on signals have no names. The C library uses the first of them, up to
// firstRealTime.
const firstOfC, firstRealTime, lastSignal = 32, 35, 64

// needed are the signals that this process cannot ignore for the command's sake: it or the
// runtime needs them, or by default they do nothing anyway.
var needed = []syscall.Signal{unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT}

// inherit ignores the signals that were ignored when this process started, so that they are
// in the command too, as without qme. Go's runtime installs its handlers for most of them
// before any other code runs, and exec(2) sets signals with a handler to their defaults.
var inherit = sync.OnceFunc(func() {
	ignored := ignoredAtStart()
	for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
		if sig < firstOfC || sig >= firstRealTime {
			if ignored(sig) && !slices.Contains(needed, sig) {
				signal.Ignore(sig)
			}
		}
	}
	// Shells without job control start background commands with both ignored. Where
	// SIGQUIT is not known, SIGINT tells of it.
	if signal.Ignored(unix.SIGINT) {
		signal.Ignore(unix.SIGQUIT)
	}
})
