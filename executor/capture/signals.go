package capture

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// basicSignals are the signals sent by users, shells and batch systems. It does not list
// all signals, since catching each takes some 20 microseconds.
var basicSignals = []syscall.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
	unix.SIGALRM, unix.SIGXCPU, unix.SIGWINCH,
}

// jobSignals stop and continue processes. If the command shares our process group, they
// are left to the kernel.
var jobSignals = []syscall.Signal{unix.SIGTSTP, unix.SIGCONT}

// catch starts to receive the signals to pass on. Signals that were ignored when this
// process started (nohup) stay ignored, here and in the command. SIGPIPE is caught so
// that it does not end this process; it is not ignored, since the command would inherit
// that. The channel never delivers it. stop stops all of this in the background, since
// os/signal takes longer for it than a small command runs.
func catch(jobs bool) (sigs <-chan os.Signal, stop func()) {
	inherit()
	list := slices.Clone(basicSignals)
	ignored := signal.Ignored
	if jobs {
		list = append(list, jobSignals...)
		ignored = wasIgnored()
	}
	c := make(chan os.Signal, 64)
	var wanted []os.Signal
	for _, sig := range list {
		if !ignored(sig) {
			wanted = append(wanted, sig)
		}
	}
	if len(wanted) > 0 { // no signals would mean all
		signal.Notify(c, wanted...)
	}
	pipes := make(chan os.Signal, 1)
	if !signal.Ignored(unix.SIGPIPE) {
		signal.Notify(pipes, unix.SIGPIPE)
	}
	return c, func() {
		go func() {
			signal.Stop(c)
			signal.Stop(pipes)
		}()
	}
}
