package capture

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// wasIgnored knows what signal.Ignored knows: here there is no other source.
func wasIgnored() func(os.Signal) bool {
	return func(sig os.Signal) bool { return signal.Ignored(sig) }
}

// stopSelf stops this process, by SIGSTOP since os/signal has no way back to the
// default of SIGTSTP. The SIGCONT that ends the stop is delivered too.
func stopSelf(syscall.Signal) {
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP) // always permitted
}
