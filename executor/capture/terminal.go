package capture

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pollInterval is the interval for reading the state of the terminal when no signal
	// reports a change: in the background (a shell may move us to the foreground without
	// one), and while keys are not passed to the command.
	pollInterval = 50 * time.Millisecond
	// quiet is the time without output from a stopped command after which all of its
	// output counts as shown.
	quiet = 5 * time.Millisecond
	// outputWait is the time limit for that.
	outputWait = 500 * time.Millisecond
	// screenWait is the maximal delay of a change of the terminal's settings by output
	// being written. After that, signals and keys take precedence.
	screenWait = 100 * time.Millisecond
)

// A session is a command in terminal mode, on the side of qme. session.go describes its
// states.
type session struct {
	*execution
	pty     ptyPair
	side    *stream // standard error, if it is not the same terminal
	ctl     *control
	monitor *process

	changed   chan struct{} // receives when keys finds that the terminal is no longer ours
	steering  *steering
	warned    bool  // the monitor expects stops by Spec.Control
	mustStand bool  // the last order was to stop
	notRun    error // the command was not started because of an error of qme or the system

	// mu guards the settings of the user's terminal and the keys, which pumps change,
	// too, in rawBeforeOutput. A goroutine that also holds the screen must lock the
	// screen first.
	mu sync.Mutex
	// keysReady: the command is running and has the pseudo-terminal. Before that, and
	// after a stop, Ctrl-C and Ctrl-Z would have no effect, so keys are not read.
	keysReady bool
	paused    bool      // stopping or ended: the terminal must not become raw
	tty       *terminal // the source of keys; nil: none
	keys      *keys
	// direct: standard input is the terminal, and all keys are passed to the command.
	// Otherwise they are passed only while the command has changed the settings of its
	// terminal, as most programs do that read the keyboard while their input is
	// redirected, or while it reads from its terminal.
	direct      bool
	reading     bool                         // it was reading from its terminal at the last check
	nextRead    time.Time                    // time of the next check
	ownSettings atomic.Pointer[unix.Termios] // of the pty, before the command changed them
	unset       bool                         // the settings of the pty were copied while we were in the background
	raw         atomic.Bool                  // the screen passes bytes on unchanged
	oneTerminal bool                         // tty and screen are the same terminal
}

// runTerminal runs the command in terminal mode.
func (e *execution) runTerminal(ctx context.Context, p ptyPair) error {
	s := &session{execution: e, pty: p, changed: make(chan struct{}, 1)}
	defer s.release()
	sigs, stop := catch(true)
	defer stop()
	copySize(s.out, p.master) // it may have changed before the signals were caught
	if err := s.openKeys(); err != nil {
		return err
	}
	if err := s.openStderr(); err != nil {
		return err
	}
	s.update()
	e.began = time.Now()
	refused, err := s.startMonitor()
	if err != nil {
		return err
	}
	if refused != nil {
		s.refuseOnScreen(refused)
		return nil
	}
	s.flowPTY()
	err = s.supervise(ctx, receive[report](s.ctl), sigs)
	if s.keys != nil {
		s.keys.sigs.ended(s.endedBy)
	}
	s.pause() // keys from now on are for the shell
	s.steering.leave()
	for range s.monitor.changes { // a living monitor keeps the pseudo-terminal open
	}
	e.finish(ctx, sigs)
	s.returnTypedAhead()
	return err
}

// release undoes everything at the end of Run.
func (s *session) release() {
	s.pause()
	if s.keys != nil {
		s.keys.close()
	}
	s.restore()
	if s.tty != nil && !s.direct {
		unix.Close(s.tty.fd)
	}
	if s.side != nil {
		s.side.close()
	}
	if s.ctl != nil {
		_ = s.ctl.f.Close() // the monitor notices this
	}
	s.pty.close()
}

// openKeys finds the terminal to read keys from.
func (s *session) openKeys() error {
	fd := s.in
	if s.direct = isTerminal(fd); !s.direct {
		if fd = controllingTerminal(); fd < 0 {
			return nil
		}
	}
	s.tty = &terminal{fd: fd}
	s.oneTerminal = sameTerminal(fd, s.out)
	s.unset = !inForeground(fd)
	s.noteOwnSettings()
	var err error
	s.keys, err = newKeys(s.tty, s.pty.master, s.changed)
	return err
}

// openStderr gives standard error a stream of its own unless it is the same terminal as
// standard output.
func (s *session) openStderr() error {
	s.res.Merged = isTerminal(s.err) && sameTerminal(s.err, s.out)
	if s.res.Merged {
		return nil
	}
	var err error
	s.side, err = s.newStream(s.err, s.errSink)
	return err
}

func (s *session) noteOwnSettings() {
	if t, err := unix.IoctlGetTermios(s.pty.master, getTermios); err == nil {
		s.ownSettings.Store(t)
	}
}

// startMonitor starts the monitor, which starts the command. Arguments that are too long
// for the command are also too long for the monitor.
func (s *session) startMonitor() (*startError, error) {
	program, err := self()
	if err != nil {
		return nil, fmt.Errorf("start the terminal monitor: %w", err)
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer unix.Close(theirs)
	if s.ctl, err = newControl(ours); err != nil {
		unix.Close(ours)
		return nil, err
	}
	std := [3]int{s.in, s.pty.slave, s.pty.slave}
	if s.direct {
		std[0] = s.pty.slave
	}
	if s.side != nil {
		std[2] = s.side.child
	}
	extra := []int{theirs, s.user()}
	if s.Stage != nil {
		extra = append(extra, descriptor(s.Stage))
	}
	files, at := placeFiles(std, extra...)
	argv := append([]string{helperName(monitorName, at...)}, s.Cmd...)
	pid, err := syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Dir: s.Dir, Env: ownName(s.Env, s.pty.name, s.out, s.user()), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: monitorTTY},
	})
	if errors.Is(err, unix.E2BIG) {
		return explain(s.Cmd[0], "", err), nil
	}
	if err != nil {
		return nil, fmt.Errorf("start the terminal monitor: %w", err)
	}
	s.monitor = watch(pid, false)
	s.startInput()
	s.sendSettings()
	return nil, nil
}

// user returns the terminal that the monitor restores if we are killed.
func (s *session) user() int {
	if s.tty != nil {
		return s.tty.fd
	}
	return s.out
}

// flowPTY starts copying the command's output to the screen.
func (s *session) flowPTY() {
	unix.Close(s.pty.slave)
	s.pty.slave = -1
	p := &pump{
		src: s.pty.master, dst: s.screen(s.out), sink: s.outSink, end: s.end, drain: s.Drain,
		capacity: ptyCapacity, keepOn: true,
		nl:     &newlines{onlcr: s.onlcr, raw: s.untouched},
		before: func() { s.rawBeforeOutput(true) },
	}
	s.pumps = append(s.pumps, p)
	p.start()
	if s.side != nil {
		s.side.pump.before = func() { s.rawBeforeOutput(false) }
		s.flow(s.side)
	}
}

// untouched reports whether the screen passes bytes on unchanged: this process, or
// another "qme run" on the same terminal, has made it raw.
func (s *session) untouched() bool { return s.raw.Load() || passesOn(s.out) }

// onlcr reports whether the pty converts "\n" to "\r\n".
func (s *session) onlcr() bool {
	t, err := unix.IoctlGetTermios(s.pty.master, getTermios)
	if err != nil {
		return true
	}
	return t.Oflag&unix.OPOST != 0 && t.Oflag&unix.ONLCR != 0
}
