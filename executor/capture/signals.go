package capture

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// basicSignals are those that people, shells and batch systems send. Catching each costs
// some 20 microseconds, and so the list does not have all there are.
var basicSignals = []syscall.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
	unix.SIGALRM, unix.SIGXCPU, unix.SIGWINCH,
}

// jobSignals stop and continue. Where the command shares our process group they
// are left to the kernel.
var jobSignals = []syscall.Signal{unix.SIGTSTP, unix.SIGCONT}

// catch begins to receive the signals that are to be passed on. Those that were
// ignored when this process started (nohup) stay so, here and in the command.
// SIGPIPE is caught so that it does not end this process, and is not ignored since
// that would be inherited; the channel never delivers it. stop ends it all, in the
// background: it takes os/signal longer than a small command runs.
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
	if len(wanted) > 0 { // none would mean all
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
