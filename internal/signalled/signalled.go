// Package signalled ends what is being done at the signals that are to end qme.
package signalled

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// Until returns a context that ends with ctx, or at the first signal that is to end qme: a
// terminal that is closed ends it as Ctrl-C does. Signals that nohup or a shell's & has ignored
// stay ignored. The caller calls the function when the signals are to act as before.
func Until(ctx context.Context) (context.Context, context.CancelFunc) {
	signals := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
	if len(signals) == 0 {
		return context.WithCancel(ctx) // of no signals NotifyContext would make all
	}
	return signal.NotifyContext(ctx, signals...)
}
