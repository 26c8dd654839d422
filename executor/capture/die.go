package capture

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Die ends this process by a signal, as a command has ended, so that its parent (a loop, a
// script, make) sees the same end. No core is dumped. It returns where the signal has no
// effect, as on the first process of a container.
func Die(sig syscall.Signal) {
	limit := unix.Rlimit{}
	if old := new(unix.Rlimit); unix.Getrlimit(unix.RLIMIT_CORE, old) == nil {
		limit.Max = old.Max
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // lowering is always allowed
	die(sig)
}
