// Package signalled ends operations on the signals that end qme.
package signalled

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
)

// Until returns a context that ends with ctx, or at the first SIGINT, SIGTERM or SIGHUP;
// closing the terminal thus has the same effect as Ctrl-C. Signals ignored by nohup or a
// shell's & stay ignored. The caller must call the CancelFunc to restore the default
// effect of the signals.
func Until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, _, stop := Catch(ctx, ending()...)
	return ctx, stop
}

// Hold is Until, and got returns the signal, nil before it has arrived.
func Hold(ctx context.Context) (held context.Context, got func() os.Signal, stop context.CancelFunc) {
	return Catch(ctx, ending()...)
}

// ending returns the signals that end qme.
func ending() []os.Signal {
	return slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
}

// Catch returns a context that ends with ctx, or at the first of the signals. got returns
// that signal, nil before it has arrived. The caller must call stop to restore the
// default effect of the signals.
func Catch(ctx context.Context, signals ...os.Signal) (caught context.Context, got func() os.Signal, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	come := make(chan os.Signal, 1)
	if len(signals) > 0 { // Notify without signals would catch all
		signal.Notify(come, signals...)
	}
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
