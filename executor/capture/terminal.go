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
	// pollInterval is how often the terminal's state is read where no signal tells of a
	// change: in the background (a shell may bring us to the foreground without one),
	// and while the keys are not yet the command's.
	pollInterval = 50 * time.Millisecond
	// quiet is how long no output must come from a stopped command before all of it
	// counts as shown.
	quiet = 5 * time.Millisecond
	// outputWait bounds the wait for that.
	outputWait = 500 * time.Millisecond
	// screenWait is how long a change of the terminal's settings waits for output that is
	// being written. After that, signals and keys come first.
	screenWait = 100 * time.Millisecond
)

// A session is a command in terminal mode, as qme sees it. session.go says how it goes.
type session struct {
	*execution
	pty     ptyPair
	side    *stream // standard error, when it is not the same terminal
	ctl     *control
	monitor *process

	changed    chan struct{}   // the keys have noticed that the terminal is not ours any more
	cancelling <-chan struct{} // closed when a cancel has ended everything
	notRun     error           // the command was not started, for a reason of ours

	// mu guards the settings of the user's terminal and the keys: pumps change them too,
	// by rawBeforeOutput. A goroutine that also holds the screen locks that first.
	mu sync.Mutex
	// keysReady: the command runs and has the pseudo-terminal. Before that, and after a
	// stop, Ctrl-C and Ctrl-Z would have no effect, and so keys are not read.
	keysReady bool
	paused    bool      // we stop, or the command has ended: the terminal is not to become raw
	tty       *terminal // where keys come from; nil: from nowhere
	keys      *keys
	// direct: the terminal is standard input, and all keys are the command's. Else they
	// are only while the command has changed its terminal's settings, as most programs do
	// that read the keyboard while their input comes from elsewhere, or while it reads from
	// its terminal.
	direct      bool
	reading     bool                         // it read from its terminal at the last look
	nextRead    time.Time                    // of the next look
	ownSettings atomic.Pointer[unix.Termios] // of the pty, before the command changed them
	unset       bool                         // the pty has settings from while we were in the background
	raw         atomic.Bool                  // the screen passes bytes on untouched
	oneTerminal bool                         // tty and screen are one terminal
}

// runTerminal runs the command in terminal mode.
func (e *execution) runTerminal(ctx context.Context, p ptyPair) error {
	s := &session{execution: e, pty: p, changed: make(chan struct{}, 1)}
	defer s.release()
	sigs, stop := catch(true)
	defer stop()
	copySize(s.out, p.master) // before the signals were caught it may have changed
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
	if s.cancelling != nil {
		<-s.cancelling
	}
	for range s.monitor.changes { // while it lives it holds the pseudo-terminal open
	}
	e.finish(ctx, sigs)
	s.returnTypedAhead()
	return err
}

// release undoes everything, whichever way Run ends.
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
		_ = s.ctl.f.Close() // the monitor sees that we are done
	}
	s.pty.close()
}

// openKeys finds where keys come from.
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

// startMonitor starts the monitor, which starts the command. Where the arguments are
// too long for a command they already are for the monitor.
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
	files, at := placeFiles(std, theirs, s.user())
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
	s.sendSettings()
	return nil, nil
}

// user is the terminal that the monitor sets back should we be killed.
func (s *session) user() int {
	if s.tty != nil {
		return s.tty.fd
	}
	return s.out
}

// flowPTY lets the command's output go to the screen.
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

// untouched says whether the screen passes bytes on as they are: this process, or another
// "qme run" on the same terminal, has made it raw.
func (s *session) untouched() bool { return s.raw.Load() || passesOn(s.out) }

// onlcr says whether the pty turns "\n" into "\r\n".
func (s *session) onlcr() bool {
	t, err := unix.IoctlGetTermios(s.pty.master, getTermios)
	if err != nil {
		return true
	}
	return t.Oflag&unix.OPOST != 0 && t.Oflag&unix.ONLCR != 0
}
