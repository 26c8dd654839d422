package capture

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wasIgnored returns signal.Ignored, the only source on macOS.
func wasIgnored() func(os.Signal) bool {
	return func(sig os.Signal) bool { return signal.Ignored(sig) }
}

// die implements Die without the limit on cores. For other signals the runtime would
// print the stacks of all goroutines.
func die(sig syscall.Signal) {
	switch sig {
	case unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGKILL:
	default:
		return
	}
	signal.Reset(sig)
	_ = unix.Kill(unix.Getpid(), sig)
	time.Sleep(time.Second) // any thread may get it
}

// signalGroup sends a signal to all other processes of our process group.
func signalGroup(sig syscall.Signal) {
	procs, err := processes()
	if err != nil {
		return // the command has its signal; the others cannot be found
	}
	for _, p := range procs {
		if p.pgrp == unix.Getpgrp() && p.pid != os.Getpid() {
			_ = unix.Kill(p.pid, sig) // it may just have ended
		}
	}
}

// stopSelf stops this process with SIGSTOP, since os/signal cannot restore the default of
// SIGTSTP. The SIGCONT that ends the stop is delivered, too.
func stopSelf(syscall.Signal) {
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP) // always permitted
}
