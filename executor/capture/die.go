package capture

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Die ends this process by the signal that ended a command, so that its parent (a loop, a
// script, make) sees the same result. No core is dumped. It returns if the signal has no
// effect, as in the first process of a container.
func Die(sig syscall.Signal) {
	limit := unix.Rlimit{}
	if old := new(unix.Rlimit); unix.Getrlimit(unix.RLIMIT_CORE, old) == nil {
		limit.Max = old.Max
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // lowering a limit is always permitted
	die(sig)
}
