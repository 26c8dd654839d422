package capture

import (
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstRealTime is from where on signals have no name; 32 to 34 are the C library's.
const firstRealTime, lastSignal = 35, 64

// needed are the signals that this process cannot ignore for the command's sake, since it
// or the runtime lives by them, and those that do nothing anyway by default.
var needed = []syscall.Signal{unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT}

// inherit ignores what was ignored when this process started, so that the command inherits
// it, as it would without us. Go's runtime puts handlers of its own in the place of most of
// that before any code of ours runs, and the signals would be at their defaults in the
// command.
var inherit = sync.OnceFunc(func() {
	ignored := ignoredAtStart()
	for sig := syscall.Signal(1); sig <= lastSignal; sig++ {
		if sig < 32 || sig >= firstRealTime {
			if ignored(sig) && !slices.Contains(needed, sig) {
				signal.Ignore(sig)
			}
		}
	}
	// Shells without job control start background commands with both ignored, and where
	// it cannot be known the one tells of the other.
	if signal.Ignored(unix.SIGINT) {
		signal.Ignore(unix.SIGQUIT)
	}
})
