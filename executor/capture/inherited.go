package capture

import (
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals from firstOfC on have no names. The C library uses those below firstRealTime.
const firstOfC, firstRealTime, lastSignal = 32, 35, 64

// needed are signals that this process does not ignore on behalf of the command: this
// process or the runtime needs them, or their default is to do nothing.
var needed = []syscall.Signal{unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT}

// inherit ignores the signals that were ignored when this process started, so that the
// command inherits this as without qme. The Go runtime installs handlers for most signals
// before any other code runs, and exec(2) resets handled signals to their defaults.
var inherit = sync.OnceFunc(func() {
	ignored := ignoredAtStart()
	for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
		if sig < firstOfC || sig >= firstRealTime {
			if ignored(sig) && !slices.Contains(needed, sig) {
				signal.Ignore(sig)
			}
		}
	}
	// Shells without job control ignore both signals in background commands. If the state
	// of SIGQUIT is unknown, SIGINT implies it.
	if signal.Ignored(unix.SIGINT) {
		signal.Ignore(unix.SIGQUIT)
	}
})
