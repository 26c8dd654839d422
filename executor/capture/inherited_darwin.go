package capture

import (
	"os/signal"
	"syscall"
)

// ignoredAtStart uses the runtime, which knows only SIGHUP and SIGINT.
func ignoredAtStart() func(syscall.Signal) bool {
	return func(sig syscall.Signal) bool { return signal.Ignored(sig) }
}
