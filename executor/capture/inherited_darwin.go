package capture

import (
	"os/signal"
	"syscall"
)

// ignoredAtStart knows what the runtime tells: SIGHUP and SIGINT.
func ignoredAtStart() func(syscall.Signal) bool {
	return func(sig syscall.Signal) bool { return signal.Ignored(sig) }
}
