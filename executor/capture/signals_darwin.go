package capture

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wasIgnored is signal.Ignored: here there is no other source.
func wasIgnored() func(os.Signal) bool {
	return func(sig os.Signal) bool { return signal.Ignored(sig) }
}

// die is Die but for the core. Other signals would have the runtime print what all
// goroutines do.
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

// signalGroup sends a signal to all processes of our process group but this one.
func signalGroup(sig syscall.Signal) {
	procs, err := processes()
	if err != nil {
		return // the command has its signal; the others are not to be found
	}
	for _, p := range procs {
		if p.pgrp == unix.Getpgrp() && p.pid != os.Getpid() {
			_ = unix.Kill(p.pid, sig) // it may just have ended
		}
	}
}

// stopSelf stops this process, by SIGSTOP since os/signal has no way back to the
// default of SIGTSTP. The SIGCONT that ends the stop is delivered too.
func stopSelf(syscall.Signal) {
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP) // always permitted
}
