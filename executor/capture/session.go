package capture

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var errMonitor = errors.New("the terminal monitor was killed: how the command ended is not known")

// supervise follows the command to its end.
func (s *session) supervise(ctx context.Context, reports <-chan report, sigs <-chan os.Signal) error {
	cancelled := ctx.Done()
	for {
		var tick <-chan time.Time
		if s.mustLook() {
			tick = time.After(lookAgain)
		}
		select {
		case r, ok := <-reports:
			if !ok {
				return errMonitor
			}
			if s.report(r) {
				return s.failed
			}
		case sig := <-sigs:
			s.forward(sig.(syscall.Signal))
		case <-cancelled:
			cancelled = nil
			s.res.Cancelled = true
			s.ending = endTree(&tree{root: s.monitor.pid, session: s.monitor.pid, spareRoot: true, mark: s.Mark}, s.KillGrace)
		case <-s.look:
			s.update()
		case <-tick:
			s.update()
		}
	}
}

// report acts on a report and says whether it was the last.
func (s *session) report(r report) bool {
	switch {
	case r.Started != 0:
		s.takeKeys()
		s.started(r.Started)
	case r.Resumed:
		s.takeKeys()
	case r.Refused != nil && r.Refused.Code == codeOwn:
		s.failed = r.Refused
		return true
	case r.Refused != nil:
		s.refuseCooked(r.Refused)
		return true
	case r.Stopped != 0:
		s.suspend(syscall.Signal(r.Stopped))
	case r.Exited != nil:
		s.ended(*r.Exited)
		return true
	}
	return false
}

// takeKeys lets keys through to the command from now on.
func (s *session) takeKeys() {
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	s.update()
}

// withdraw takes the keys from the command, and keeps the terminal from becoming raw.
func (s *session) withdraw() {
	if s.keys == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready, s.away = false, true
	s.keys.switchTo(false)
}

// comeBack ends what withdraw did, but for the keys: see takeKeys.
func (s *session) comeBack() {
	s.mu.Lock()
	s.away = false
	s.mu.Unlock()
	s.update()
}

// refuseCooked writes the message when the terminal can show it properly.
func (s *session) refuseCooked(e *startError) {
	s.withdraw()
	s.cook()
	s.refuse(e)
}

// forward passes a signal on to the command's process group.
func (s *session) forward(sig syscall.Signal) {
	switch sig {
	case unix.SIGWINCH:
		if copySize(s.out, s.pty.master) {
			return // the kernel tells the command
		}
	case unix.SIGCONT:
		s.update()
	}
	s.ctl.send(order{Signal: int(sig)})
}

// suspend follows the command into a stop, and lets it go on when we go on.
func (s *session) suspend(sig syscall.Signal) {
	s.settle()
	s.withdraw()
	s.cook()
	if sig != unix.SIGSTOP {
		sig = unix.SIGTSTP
	}
	stopSelf(sig)
	copySize(s.out, s.pty.master)
	s.comeBack()
	s.ctl.send(order{Continue: true})
}

// settle waits until what the command wrote before it stopped is on the screen.
func (s *session) settle() {
	p := s.pumps[0]
	for end := time.Now().Add(lastWords); time.Now().Before(end); {
		before := p.chunks.Load()
		time.Sleep(quiet)
		fds := []unix.PollFd{{Fd: int32(s.pty.master), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		if err == nil && n == 0 && p.chunks.Load() == before {
			return
		}
	}
}

// mustLook says whether the terminal's state can change without our being told.
func (s *session) mustLook() bool {
	return s.tty != nil && (!s.direct || !s.tty.raw || s.tty.shared)
}

// update makes the terminal raw or not, and passes keys on or not, as it should
// be now. In the background it touches nothing.
func (s *session) update() {
	if s.tty == nil {
		return
	}
	if !inForeground(s.tty.fd) {
		s.lose()
		return
	}
	s.refresh()
	if s.direct || s.changed() || s.reads() {
		defer s.holdScreen()()
		s.uncook()
		return
	}
	s.cook()
}

// follow makes the user's terminal raw before output is passed on that the command has
// written after it has changed the settings of its own: who answers a prompt for a password
// at once must not see it. It is for pumps to call; held says whether the screen is held
// back already.
func (s *session) follow(held bool) {
	if s.tty == nil || s.direct || !s.behind() {
		return
	}
	if !held {
		defer s.holdScreen()()
	}
	s.uncook()
}

// behind says whether the command has changed its terminal's settings and the user's
// terminal is yet to become raw for that.
func (s *session) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.away && !s.tty.raw && s.changed() && inForeground(s.tty.fd)
}

// lose notes that the terminal is somebody else's, who has set it as he wants it.
func (s *session) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys.switchTo(false)
	s.raw.Store(false)
	if s.tty.raw {
		s.tty.raw = false
		s.tellTerminal()
	}
}

// refresh gives the pty the settings that the shell has made for us, now that we
// are in the foreground for the first time, unless the command has set its own.
func (s *session) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fresh {
		return
	}
	s.fresh = false
	if s.changed() {
		return
	}
	if t, err := cookedSettings(s.tty.fd); err == nil {
		_ = unix.IoctlSetTermios(s.pty.master, setTermios, &t) // else it keeps what it has
		s.noteSettings()
	}
}

// reads says whether the command reads a line from its terminal although its input comes
// from elsewhere, as in "read answer </dev/tty". It takes at most a fiftieth of a
// processor to find out, however many processes the command has.
func (s *session) reads() bool {
	if s.monitor == nil || !s.ready {
		return false
	}
	if begin := time.Now(); begin.After(s.nextAsk) {
		s.asked = readsTerminal(s.monitor.pid, s.pty.master)
		s.nextAsk = begin.Add(50 * time.Since(begin))
	}
	return s.asked
}

// changed says whether the command has changed its terminal's settings.
func (s *session) changed() bool {
	t, err := unix.IoctlGetTermios(s.pty.master, getTermios)
	first := s.first.Load()
	return err == nil && first != nil && *t != *first
}

// uncook makes the terminal raw and lets keys through when it is time. The caller holds
// back the screen.
func (s *session) uncook() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return
	}
	s.fresh = false // the command has had to do with it, or refresh has been here
	was := s.tty.raw
	if err := s.tty.enterRaw(); err != nil {
		return // the terminal is gone: the command will notice by its input's end
	}
	s.keys.expect(s.tty.mine)
	s.raw.Store(s.same)
	s.keys.switchTo(s.ready)
	if !was {
		s.tellTerminal()
		copySize(s.out, s.pty.master)
	}
}

// cook gives the terminal back as it was. While we have not withdrawn it does not if the
// command needs it raw once the screen is held back, since follow may have made it so.
func (s *session) cook() {
	if s.tty == nil || !s.isRaw() {
		return
	}
	defer s.holdScreen()()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.away && s.changed() {
		return
	}
	s.keys.switchTo(false)
	s.raw.Store(false)
	if inForeground(s.tty.fd) {
		_ = s.tty.leaveRaw() // the terminal may be gone
	}
	s.tty.raw = false
	s.tellTerminal()
}

func (s *session) isRaw() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tty.raw
}

// holdScreen waits until no output is on its way to the screen and keeps it back until
// release is called, so that each chunk has the line ends that suit the settings with
// which it arrives. Output may be blocked for long: it gives up when patience is over.
func (s *session) holdScreen() (release func()) {
	if len(s.pumps) == 0 {
		return func() {}
	}
	passing := &s.pumps[0].passing
	for end := time.Now().Add(patience); !passing.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return func() {}
		}
	}
	return passing.Unlock
}

// tellTerminal keeps the monitor informed, which sets the terminal back should we be
// killed. The caller holds mu, unless no pump runs yet.
func (s *session) tellTerminal() {
	if s.monitor == nil {
		return // not started yet
	}
	now := &settings{}
	if s.tty != nil && s.tty.raw {
		now = &settings{Raw: true, Saved: s.tty.saved, Mine: s.tty.mine}
	}
	s.ctl.send(order{Terminal: now})
}
