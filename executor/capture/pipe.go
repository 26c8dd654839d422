package capture

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runPipe runs the command in pipe mode.
func (e *execution) runPipe(ctx context.Context) error {
	ctty := controllingTerminal()
	if ctty >= 0 {
		defer unix.Close(ctty)
	}
	sigs, stop := catch(ctty < 0)
	defer stop()

	out, err := e.newStream(e.out, e.outSink)
	if err != nil {
		return err
	}
	defer out.close()
	streams, side := []*stream{out}, out
	if e.res.Merged = e.OneStream || oneStream(e.screen(e.out), e.screen(e.err)); !e.res.Merged {
		if side, err = e.newStream(e.err, e.errSink); err != nil {
			return err
		}
		defer side.close()
		streams = append(streams, side)
	}

	attr := &syscall.ProcAttr{
		Dir: e.Dir, Env: e.Env,
		Files: []uintptr{uintptr(e.in), uintptr(out.child), uintptr(side.child)},
		Sys:   &syscall.SysProcAttr{Setpgid: ctty < 0},
	}
	e.began = time.Now()
	pid, refused := start(e.Cmd, e.Dir, attr, descriptor(e.Stage))
	if refused != nil && refused.Code == codeOwn {
		return refused
	}
	if refused != nil {
		e.refuse(refused)
		return nil
	}
	e.startInput()
	e.flow(streams...)
	f := &pipeForwarder{p: watch(pid, ctty < 0), ctty: ctty, side: side, screen: e.err}
	e.started(pid)
	err = e.supervise(ctx, f, sigs)
	e.finish(ctx, sigs)
	return err
}

// controllingTerminal opens the terminal of this process; it returns -1 if there is none.
func controllingTerminal() int {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// supervise passes signals on, and does what is asked of the command, until it has ended.
func (e *execution) supervise(ctx context.Context, f *pipeForwarder, sigs <-chan os.Signal) error {
	st := e.steer(ctx, &tree{root: f.p.pid, group: f.ownGroup(), mark: e.Mark})
	for {
		select {
		case sig := <-sigs:
			f.forward(sig.(syscall.Signal))
		case <-st.cancelled:
			st.cancel()
		case <-st.expired:
			st.expire()
		case c, ok := <-st.orders:
			st.obey(c, ok)
		case <-st.again:
			st.hold()
		case c := <-f.p.changes:
			if !c.ended() {
				if e.stillSince.IsZero() {
					f.stopped(c.status)
				}
				continue
			}
			if c.err == nil {
				e.ended(c.exit)
			}
			st.leave()
			return c.err
		}
	}
}

// A stream is an output of the command, before and during its run.
type stream struct {
	pump  *pump
	child int // the command's end, -1 once closed in this process
	tty   bool
}

// newStream creates the connection from the command to dst: a pseudo-terminal if dst is a
// terminal, so that the command sees one, else a pipe.
func (e *execution) newStream(dst int, to *sink) (*stream, error) {
	s := &stream{pump: &pump{dst: e.screen(dst), sink: to, end: e.end, drain: e.Drain}}
	if isTerminal(dst) {
		if p, err := openSidePTY(dst); err == nil {
			s.pump.src, s.child, s.tty = p.master, p.slave, true
			s.pump.capacity = ptyCapacity
			return s, nil
		}
	}
	r, w, err := pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	s.pump.capacity = growPipe(w)
	s.pump.src, s.child = r, w
	if err := unix.SetNonblock(r, true); err != nil {
		s.close()
		return nil, fmt.Errorf("make a pipe non-blocking: %w", err)
	}
	return s, nil
}

// flow starts copying the streams of a running command.
func (e *execution) flow(streams ...*stream) {
	for _, s := range streams {
		s.closeChild() // else the stream would never end
		e.pumps = append(e.pumps, s.pump)
		s.pump.start()
	}
}

func (s *stream) closeChild() {
	if s.child >= 0 {
		unix.Close(s.child)
		s.child = -1
	}
}

func (s *stream) close() {
	s.closeChild()
	s.pump.close()
}

// A pipeForwarder passes signals on to a command in pipe mode.
type pipeForwarder struct {
	p      *process
	ctty   int // controlling terminal; -1: none, and the command has its own group
	side   *stream
	screen int // the destination of side, if it is a terminal
	// tstp: this process was asked to stop, and must stop with the command.
	tstp bool
}

// ownGroup returns the command's process group, 0 if it is also ours.
func (f *pipeForwarder) ownGroup() int {
	if f.ctty >= 0 {
		return 0
	}
	return f.p.pid
}

func (f *pipeForwarder) forward(sig syscall.Signal) {
	if sig == unix.SIGWINCH && f.side.tty {
		copySize(f.screen, f.side.pump.src)
	}
	if f.ctty < 0 {
		f.tstp = sig == unix.SIGTSTP || f.tstp && sig != unix.SIGCONT
		f.p.signal(sig, true)
		return
	}
	switch sig {
	case unix.SIGWINCH: // the terminal signals its whole foreground group
		return
	case unix.SIGINT, unix.SIGQUIT: // likewise, unless another process sends it
		if inForeground(f.ctty) {
			return
		}
	}
	f.p.signal(sig, false)
}

// stopped stops this process, too, if the command was stopped through it. A sender that
// stops the command directly will also continue it directly.
func (f *pipeForwarder) stopped(ws syscall.WaitStatus) {
	if ws.Stopped() && f.tstp {
		f.tstp = false
		stopSelf(unix.SIGSTOP)
		f.p.signal(unix.SIGCONT, true)
	}
}
