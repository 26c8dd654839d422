package capture

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// A monitor is the process between qme and a command on a pseudo-terminal. It leads the
// session of that terminal, so that the command is a job as under a shell, a process
// group whose parent can continue it. The kernel lets Ctrl-Z stop only such groups.
type monitor struct {
	ctl      *control
	user     int // the user's terminal
	terminal settings
	p        *process
	// stopped: qme has been told of a stop and has stopped itself; it will order to
	// continue.
	stopped bool
	warned  bool // SIGSTOP is from qme, and does not stop qme
}

const monitorTTY = 1 // standard output is always the pseudo-terminal

// monitorMain runs the monitor: args are the descriptors of the control channel, the user's
// terminal and, if there is one, of the stage. argv is the command.
func monitorMain(args []int, argv []string) int {
	if len(args) < 2 || len(args) > 3 || len(argv) == 0 {
		return 2
	}
	inherit()
	unix.CloseOnExec(args[1])
	ctl, err := newControl(args[0])
	if err != nil {
		return 1
	}
	m := &monitor{ctl: ctl, user: args[1]}
	size := sizeOf(monitorTTY)
	stage := -1
	if len(args) == 3 {
		stage = args[2]
		unix.CloseOnExec(stage)
	}
	pid, refused := start(argv, "", &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true},
	}, stage)
	if stage >= 0 {
		unix.Close(stage)
	}
	if refused != nil {
		m.ctl.send(report{Refused: refused})
		return 0
	}
	// The monitor must not keep open what the command closes. Its terminal takes the place.
	_ = unix.Dup2(monitorTTY, 0)
	m.foreground(pid)
	m.p = watch(pid, true)
	m.endBackground(size)
	m.ctl.send(report{Started: pid})
	return m.loop()
}

// endBackground undoes the effects of the command's start in the background, when the
// terminal had the size before. Go cannot move a process to the foreground between fork
// and exec without leaving SIGTTOU ignored or blocked in it.
func (m *monitor) endBackground(before unix.Winsize) {
	// A command that has already used the terminal was stopped. It must be continued
	// before a key can reach it, since SIGCONT would undo the stop of a Ctrl-Z.
	if stopsEarly(m.p.pid) {
		m.p.signal(unix.SIGCONT, true)
	}
	if sizeOf(monitorTTY) != before { // the kernel signalled only the foreground
		m.p.signal(unix.SIGWINCH, true)
	}
}

// foreground makes a process group the foreground group of the terminal.
func (m *monitor) foreground(pgrp int) {
	// Signals for the command must not end or stop the monitor, and the call below would
	// cause SIGTTOU. No later child inherits this.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGPIPE)
	// ESRCH: the group has already ended.
	_ = unix.IoctlSetPointerInt(monitorTTY, unix.TIOCSPGRP, pgrp)
}

func (m *monitor) loop() int {
	orders := receive[order](m.ctl)
	for {
		select {
		case o, ok := <-orders:
			if !ok {
				m.hangUp()
				return 1
			}
			m.obey(o)
		case c := <-m.p.changes:
			if m.change(c) {
				return 0
			}
		}
	}
}

func (m *monitor) obey(o order) {
	switch {
	case o.Continue:
		m.stopped = false
		m.foreground(m.p.pid)
		m.p.signal(unix.SIGCONT, true)
		m.ctl.send(report{Resumed: true})
	case o.Signal != 0:
		m.p.signal(syscall.Signal(o.Signal), true)
	case o.Terminal != nil:
		m.terminal = *o.Terminal
	case o.Warning:
		m.warned = true
		m.ctl.send(report{Warned: true})
	}
}

// change reports a change of the command, and returns true if the command has ended.
func (m *monitor) change(c change) bool {
	switch {
	case c.ended():
		// The kernel sends SIGHUP to the foreground when a session leader ends. Otherwise
		// processes that the command left in the background would live on.
		m.foreground(unix.Getpgrp())
		if c.err == nil {
			m.ctl.send(report{Exited: &c.exit})
		}
		m.wakeQME()
		return true
	case c.status.Continued():
		m.wakeQME()
	case m.warned && c.status.StopSignal() == unix.SIGSTOP:
	case m.tooEarly(c.status.StopSignal()):
		m.p.signal(unix.SIGCONT, true)
	default:
		m.stopped = true
		m.ctl.send(report{Stopped: int(c.status.StopSignal())})
	}
	return false
}

// wakeQME continues qme if it stopped with the command and another process has continued
// or killed the command.
func (m *monitor) wakeQME() {
	if parent := unix.Getppid(); m.stopped && parent > 1 { // otherwise qme has been killed
		_ = unix.Kill(parent, unix.SIGCONT)
	}
}

// tooEarly reports whether the command was stopped for using the terminal before it was
// moved to the foreground, where it now is.
func (m *monitor) tooEarly(sig syscall.Signal) bool {
	if sig != unix.SIGTTIN && sig != unix.SIGTTOU {
		return false
	}
	pgrp, err := foregroundGroup(monitorTTY)
	return err == nil && pgrp == m.p.pid
}

// hangUp acts like the hangup of a terminal, since qme was killed. When the monitor ends,
// the kernel sends SIGHUP to the rest of the foreground.
func (m *monitor) hangUp() {
	m.setBack()
	m.p.signal(unix.SIGHUP, true)
	m.p.signal(unix.SIGCONT, true)
}

// setBack restores the user's terminal if its settings are still those of qme.
func (m *monitor) setBack() {
	if m.terminal.Raw {
		_ = setBack(m.user, &m.terminal.Saved, &m.terminal.Mine) // the terminal may be gone, too
	}
}
