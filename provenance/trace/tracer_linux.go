package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/intime"
)

// A Tracer sees the files of one command. Its methods are for one goroutine.
type Tracer struct {
	stage, ours *os.File // the two ends of the stage's socket
	shared      shared
	memory      *os.File
	keeping     *keeping

	outer    *outerTrace // the Tracer around this one, which sees what this one would; nil for none
	server   *server     // for those within this one
	listener int
	seen     *sightings
	ready    chan struct{} // closed when calls are received, or never will be
	why      error         // why they are not
	stop     [2]int        // a pipe whose end stops the workers
	working  sync.WaitGroup
	receive  sync.Mutex
	ended    bool          // no more is received; receive guards it
	handing  handing       // likewise
	more     chan struct{} // wakes another worker
}

// New prepares for tracing a command that has not started. The caller gives Stage to it, with Address
// in its environment as Variable, and calls End in any case. outer is the value of Variable for this
// process, "" for none. The error wraps ErrUnsupported where nothing can be traced.
func New(outer string) (*Tracer, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: a socket: %w", ErrUnsupported, err)
	}
	t := &Tracer{
		stage: os.NewFile(uintptr(ends[0]), "stage"), ours: os.NewFile(uintptr(ends[1]), "trace"),
		listener: -1, seen: newSightings(), ready: make(chan struct{}), more: make(chan struct{}, workers),
	}
	if err := t.prepare(); err != nil {
		_ = t.stage.Close() // it was not used
		unix.Close(t.stop[1])
		t.release()
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	go t.begin(outer)
	return t, nil
}

func (t *Tracer) prepare() error {
	t.stop = [2]int{-1, -1}
	if err := unix.Pipe2(t.stop[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("a pipe: %w", err)
	}
	var err error
	if t.shared, t.memory, err = newShared(); err != nil {
		return fmt.Errorf("shared memory: %w", err)
	}
	if err = unix.SetsockoptInt(int(t.ours.Fd()), unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return fmt.Errorf("a socket: %w", err)
	}
	if t.server, err = serve(func() uint64 { return atomic.LoadUint64(t.shared.kept()) }); err != nil {
		return fmt.Errorf("a socket: %w", err)
	}
	if t.keeping, err = startKeeping(t.memory); err != nil {
		return fmt.Errorf("start a process: %w", err)
	}
	return nil
}

// Stage is the descriptor for Install in the process that becomes the command. It must be closed, by
// Started, when that process has it.
func (t *Tracer) Stage() *os.File { return t.stage }

// Address is the value of Variable for the command.
func (t *Tracer) Address() string { return t.server.address() }

// Started says that no other process will get the stage's descriptor. It returns why nothing is
// traced; nil if calls are seen.
func (t *Tracer) Started() error {
	_ = t.stage.Close() // it may be closed already
	<-t.ready
	return t.why
}

// begin receives the listener, and then the calls.
func (t *Tracer) begin(outer string) {
	defer close(t.ready)
	listener, err := receiveListener(int(t.ours.Fd()))
	var busy busyError
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("the command could not be started for it")
	case errors.As(err, &busy):
		t.why = t.join(outer, busy.pid)
		_, _ = t.ours.Write([]byte{0}) // the stage may have been killed
		return
	}
	if err != nil {
		t.why = err
		return
	}
	t.listener = listener
	t.keeping.give(listener)
	_, _ = t.ours.Write([]byte{0}) // from here on somebody answers the stage, which may have been killed
	t.handing.on = true
	t.handing.tell(listener)
	for i := range workers {
		t.working.Go(func() { t.work(i) })
	}
}

// work receives calls in worker i. The first waits for them, the others only as long as there are more
// than one.
func (t *Tracer) work(i int) {
	for {
		if i > 0 {
			if _, ok := <-t.more; !ok {
				return
			}
		} else if !t.await() {
			t.receive.Lock()
			t.ended = true
			close(t.more)
			t.receive.Unlock()
			return
		}
		for first := true; t.next(i, first); first = false {
		}
	}
}

// await waits until there is a call, and returns false when there will be none.
func (t *Tracer) await() bool {
	fds := []unix.PollFd{{Fd: int32(t.listener), Events: unix.POLLIN}, {Fd: int32(t.stop[0]), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return false
		}
		switch {
		case fds[1].Revents != 0:
			return false
		case fds[0].Revents&unix.POLLIN != 0:
			return true
		case fds[0].Revents != 0:
			return false
		}
	}
}

// next receives a call if there is one, lets it go and looks at its files. first says that the worker
// has waited for it.
func (t *Tracer) next(i int, first bool) bool {
	n, ok := t.take(i, first)
	if !ok {
		return false
	}
	if n.id == 0 {
		return true // its process has gone
	}
	u := t.seen.read(n)
	inner := t.server.of(u.tid)
	for _, one := range inner {
		if u.kind == executes && one.seen.isFirst() {
			u.inherited = inherited(u.tid)
		}
	}
	t.seen.begin(&u)
	defer t.seen.end(&u)
	errno := letGo(t.listener, n.id)
	t.shared.clear(i)
	if errno == 0 {
		t.seen.look(u)
		for _, one := range inner {
			if u.viewer != nil && one.seen.isFirst() {
				u.viewer = &viewer{foreign: u.viewer.foreign} // the stage
			}
			one.seen.look(u)
		}
	}
	// Otherwise the process was killed, or the keeper has let it go, which counts as a loss.
	return true
}

// take receives a call into slot i. Only one worker at a time looks whether there is one, so that none
// waits for a call that another has received. A call that has come while the worker was busy wakes
// another worker.
func (t *Tracer) take(i int, first bool) (notice, bool) {
	t.receive.Lock()
	defer t.receive.Unlock()
	if t.ended || events(t.listener, 0)&unix.POLLIN == 0 {
		return notice{}, false
	}
	slot := t.shared.slot(i)
	errno := receive(t.listener, slot)
	atomic.AddUint64(t.shared.received(), 1)
	if errno != 0 {
		t.shared.clear(i)
		return notice{}, true
	}
	if t.handing.saw(slot.pid) {
		t.handing.tell(t.listener)
	}
	if !first && len(t.more) == 0 {
		select {
		case t.more <- struct{}{}:
		default:
		}
	}
	return *slot, true
}

// End ends the trace of a command that has ended. Processes that outlive it work on, untraced. It
// returns an error, and no result, if nothing was traced.
func (t *Tracer) End() (Result, error) {
	err := t.Started()
	unix.Close(t.stop[1])
	_, ended := intime.Within(ending, func() struct{} { t.working.Wait(); return struct{}{} })
	kept := atomic.LoadUint64(t.shared.kept())
	t.keeping.leave()
	r := Result{}
	switch {
	case err != nil:
	case t.outer != nil:
		var s share
		if err = t.outer.ask(request{}, &s); err != nil {
			err = fmt.Errorf("the trace around this one: %w", err)
		}
		r = s.result()
	default:
		r = t.seen.result()
	}
	if ended {
		t.release()
	} // otherwise it is in use
	if err != nil || t.outer != nil {
		return r, err
	}
	if r.Losses.Kept = int(kept); !ended {
		r.Losses.Late++
	}
	return r, nil
}

// ending is how long End waits for files that are being looked at.
const ending = 2 * time.Second

// release closes what is open, but for the stage's descriptor and the end of the pipe that stops.
func (t *Tracer) release() {
	_ = t.ours.Close() // nothing more is sent
	t.outer.close()
	if t.server != nil {
		t.server.close()
	}
	unix.Close(t.stop[0])
	if t.listener >= 0 {
		unix.Close(t.listener)
	}
	if t.memory != nil {
		t.shared.close()
		_ = t.memory.Close() // it has no file
	}
}
