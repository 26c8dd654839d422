// Package signalled ends what is being done at the signals that are to end qme.
package signalled

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
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

// Catch returns a context that ends with ctx, or at the first of the signals, which got returns
// once it has come, and nil before. The caller calls stop when the signals are to act as before.
func Catch(ctx context.Context, signals ...os.Signal) (caught context.Context, got func() os.Signal, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	come := make(chan os.Signal, 1)
	signal.Notify(come, signals...)
	var first atomic.Value
	go func() {
		select {
		case s := <-come:
			first.Store(s)
			cancel()
		case <-ctx.Done():
		}
	}()
	got = func() os.Signal {
		s, _ := first.Load().(os.Signal)
		return s
	}
	return ctx, got, func() {
		signal.Stop(come)
		cancel()
	}
}
