package ask

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// UntilSignalled ends ctx, and with it the process group of a program that is asked, at a
// signal that is to end this process: signals of the terminal do not reach that group. Signals
// that nohup or a shell's & has ignored stay ignored. It is for callers without a context that
// signals end.
//
// stop is to be called once the program is gone. It reports the signal, nil for none, which
// has not ended this process.
func UntilSignalled(ctx context.Context) (until context.Context, stop func() os.Signal) {
	until, cancel := context.WithCancel(ctx)
	signals := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
	if len(signals) == 0 {
		return until, func() os.Signal { cancel(); return nil } // of no signals Notify would make all
	}
	came, done := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(came, signals...)
	go func() {
		select {
		case sig := <-came:
			cancel()
			done <- sig
		case <-until.Done():
			done <- nil
		}
	}()
	return until, func() os.Signal {
		signal.Stop(came)
		cancel()
		return <-done
	}
}

// Die ends this process by a signal that was held back. It returns where another part of the
// process catches that signal, and for nil.
func Die(sig os.Signal) {
	if s, ok := sig.(syscall.Signal); ok {
		_ = syscall.Kill(syscall.Getpid(), s) // it may always signal itself
	}
}
