package capture

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The states of a session. The monitor reports changes of the command, and each report,
// signal and clock tick calls update:
//
//	(starting) ── Started ──> (running) ── Exited ──> (draining) ──> returnTypedAhead, release
//	    │                      │     ^
//	    └─ Refused: a message  Stopped └─ Resumed
//	                           v     │
//	                          (stopped: awaitOutput, pause, restore, stopSelf, resume, Continue)
//
// While the command runs, update puts the user's terminal into one of three states:
//
//	in the background                      leaveForeground  as it is; keys are not read
//	in the foreground, keys are asked for  makeRaw          raw; keys go to the pseudo-terminal
//	in the foreground, they are not        restore          as before; keys are not read
//
// Keys are asked for if standard input is the terminal (direct), if the command has
// changed the settings of its terminal, or if it reads from its terminal. Before
// startKeys, and after pause (for a stop, or the end), keys are never read. Pumps call
// rawBeforeOutput, which only changes from restored to raw. Locks are taken in the order
// pump.passing, session.mu, keys.mu.

var errMonitor = errors.New("the terminal monitor was killed: how the command ended is not known")

// supervise handles reports, signals and what is asked of the command, until it has ended.
func (s *session) supervise(ctx context.Context, reports <-chan report, sigs <-chan os.Signal) error {
	s.steering = s.steer(ctx, &tree{root: s.monitor.pid, session: s.monitor.pid, spareRoot: true, mark: s.Mark})
	for {
		var tick <-chan time.Time
		if s.mustPoll() {
			tick = time.After(pollInterval)
		}
		select {
		case r, ok := <-reports:
			if !ok {
				return errMonitor
			}
			if s.report(r) {
				return s.notRun
			}
		case sig := <-sigs:
			s.forward(sig.(syscall.Signal))
		case <-s.steering.cancelled:
			s.steering.cancel()
		case <-s.steering.expired:
			s.steering.expire()
		case c, ok := <-s.steering.orders:
			s.obey(c, ok)
		case <-s.steering.again:
			s.steering.hold()
		case <-s.changed:
			s.update()
		case <-tick:
			s.update()
		}
	}
}

// report handles a report and returns true if it was the last.
func (s *session) report(r report) bool {
	switch {
	case r.Started != 0:
		s.startKeys()
		s.started(r.Started)
	case r.Resumed:
		s.startKeys()
	case r.Refused != nil && r.Refused.Code == codeOwn:
		s.notRun = r.Refused
		return true
	case r.Refused != nil:
		s.refuseOnScreen(r.Refused)
		return true
	case r.Warned:
		if s.warned = true; s.mustStand {
			s.steering.obey(Stop, true)
		}
	case r.Stopped != 0:
		s.suspend(syscall.Signal(r.Stopped))
	case r.Exited != nil:
		s.ended(*r.Exited)
		return true
	}
	return false
}

// obey carries out an order for the command. Before the first stop the monitor must know that what it
// is about to see is no stop by the user, who would want the terminal back.
func (s *session) obey(c Control, ok bool) {
	s.mustStand = ok && c == Stop
	if s.mustStand && !s.warned {
		s.ctl.send(order{Warning: true})
		return
	}
	s.steering.obey(c, ok)
}

// startKeys starts to pass keys to the command.
func (s *session) startKeys() {
	s.mu.Lock()
	s.keysReady = true
	s.mu.Unlock()
	s.update()
}

// pause stops passing keys, and keeps the terminal from becoming raw.
func (s *session) pause() {
	if s.keys == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keysReady, s.paused = false, true
	s.keys.switchTo(false)
}

// resume ends a pause; keys are passed again only after startKeys.
func (s *session) resume() {
	s.mu.Lock()
	s.paused = false
	s.mu.Unlock()
	s.update()
}

// refuseOnScreen restores the terminal and prints the message.
func (s *session) refuseOnScreen(e *startError) {
	s.pause()
	s.restore()
	s.refuse(e)
}

// forward passes a signal to the command's process group.
func (s *session) forward(sig syscall.Signal) {
	switch sig {
	case unix.SIGWINCH:
		if copySize(s.out, s.pty.master) {
			return // the kernel signals the command
		}
	case unix.SIGCONT:
		s.update()
	}
	s.ctl.send(order{Signal: int(sig)})
}

// suspend stops this process like the command, and continues the command afterwards.
func (s *session) suspend(sig syscall.Signal) {
	s.awaitOutput()
	s.pause()
	s.restore()
	if sig != unix.SIGSTOP {
		sig = unix.SIGTSTP
	}
	stopSelf(sig)
	copySize(s.out, s.pty.master)
	s.resume()
	s.ctl.send(order{Continue: true})
}

// awaitOutput waits until the screen shows the output that the command wrote before it
// stopped.
func (s *session) awaitOutput() {
	p := s.pumps[0]
	for end := time.Now().Add(outputWait); time.Now().Before(end); {
		before := p.chunks.Load()
		time.Sleep(quiet)
		fds := []unix.PollFd{{Fd: int32(s.pty.master), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		if err == nil && n == 0 && p.chunks.Load() == before {
			return
		}
	}
}

// mustPoll reports whether the state of the terminal can change without a signal.
func (s *session) mustPoll() bool {
	return s.tty != nil && (!s.direct || !s.tty.raw || s.tty.shared)
}

// update puts the terminal into the state described above.
func (s *session) update() {
	if s.tty == nil {
		return
	}
	if !inForeground(s.tty.fd) {
		s.leaveForeground()
		return
	}
	s.copySettings()
	if s.direct || s.settingsChanged() || s.readsTerminal() {
		defer s.holdScreen()()
		s.makeRaw()
		return
	}
	s.restore()
}

// rawBeforeOutput makes the user's terminal raw before it passes on output that the
// command wrote after changing the settings of its own terminal: a password typed at once
// must not be shown. Pumps call it; held says whether they hold the screen.
func (s *session) rawBeforeOutput(held bool) {
	if s.tty == nil || s.direct || !s.mustBecomeRaw() {
		return
	}
	if !held {
		defer s.holdScreen()()
	}
	s.makeRaw()
}

// mustBecomeRaw reports whether the command has changed the settings of its terminal
// while the user's terminal is not yet raw.
func (s *session) mustBecomeRaw() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.paused && !s.tty.raw && s.settingsChanged() && inForeground(s.tty.fd)
}

// leaveForeground records that another process group now controls the terminal and its
// settings.
func (s *session) leaveForeground() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys.switchTo(false)
	s.raw.Store(false)
	if s.tty.raw {
		s.tty.raw = false
		s.sendSettings()
	}
}

// copySettings copies the user's settings to the pty when we are in the foreground for
// the first time, since in the background they were those of another program. Settings
// made by the command are kept.
func (s *session) copySettings() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unset {
		return
	}
	s.unset = false
	if s.settingsChanged() {
		return
	}
	if t, err := cookedSettings(s.tty.fd); err == nil {
		_ = unix.IoctlSetTermios(s.pty.master, setTermios, &t) // on an error it keeps its settings
		s.noteOwnSettings()
	}
}

// readsTerminal reports whether the command reads a line from its terminal although its
// standard input is not the terminal, as in "read answer </dev/tty". The checks take at
// most a fiftieth of a processor, even with many processes.
func (s *session) readsTerminal() bool {
	if s.monitor == nil || !s.keysReady {
		return false
	}
	if begin := time.Now(); begin.After(s.nextRead) {
		s.reading = readsTerminal(s.monitor.pid, s.pty.master)
		s.nextRead = begin.Add(50 * time.Since(begin))
	}
	return s.reading
}

// settingsChanged reports whether the command has changed the settings of its terminal.
func (s *session) settingsChanged() bool {
	t, err := unix.IoctlGetTermios(s.pty.master, getTermios)
	first := s.ownSettings.Load()
	return err == nil && first != nil && *t != *first
}

// makeRaw makes the terminal raw, and passes keys on if startKeys was called. The caller
// holds the screen.
func (s *session) makeRaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		return
	}
	s.unset = false // set by the command or copySettings
	was := s.tty.raw
	if err := s.tty.enterRaw(); err != nil {
		return // the terminal is gone: the command sees the end of its input
	}
	s.keys.expect(s.tty.mine)
	s.raw.Store(s.oneTerminal)
	s.keys.switchTo(s.keysReady)
	if !was {
		s.sendSettings()
		copySize(s.out, s.pty.master)
	}
}

// restore restores the terminal. Except in a pause, it does nothing if the command has
// changed its settings by the time the screen is held, since rawBeforeOutput may have
// made the terminal raw.
func (s *session) restore() {
	if s.tty == nil || !s.isRaw() {
		return
	}
	defer s.holdScreen()()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused && s.settingsChanged() {
		return
	}
	s.keys.switchTo(false)
	s.raw.Store(false)
	if inForeground(s.tty.fd) {
		_ = s.tty.leaveRaw() // the terminal may be gone
	}
	s.tty.raw = false
	s.sendSettings()
}

func (s *session) isRaw() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tty.raw
}

// holdScreen waits until no output is being written to the screen, and blocks further
// output until release is called, since the line ends of a chunk fit the settings with
// which it was prepared. Output may be blocked for long, so it waits for screenWait at
// most.
func (s *session) holdScreen() (release func()) {
	if len(s.pumps) == 0 {
		return func() {}
	}
	passing := &s.pumps[0].passing
	for end := time.Now().Add(screenWait); !passing.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return func() {}
		}
	}
	return passing.Unlock
}

// sendSettings sends the monitor the settings of the terminal, which it restores if we
// are killed. The caller holds mu, unless no pump is running yet.
func (s *session) sendSettings() {
	if s.monitor == nil {
		return // not started yet
	}
	now := &settings{}
	if s.tty != nil && s.tty.raw {
		now = &settings{Raw: true, Saved: s.tty.saved, Mine: s.tty.mine}
	}
	s.ctl.send(order{Terminal: now})
}
