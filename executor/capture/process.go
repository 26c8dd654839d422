package capture

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A change is a result of wait4(2).
type change struct {
	status syscall.WaitStatus
	exit   exit  // if it has ended
	err    error // the process cannot be waited for, and its end will not be known
}

func (c change) ended() bool { return c.err != nil || c.status.Exited() || c.status.Signaled() }

// A process is a child of this process. Its pid cannot be reused until it is reaped, so
// that no signal reaches another process.
type process struct {
	pid     int
	changes <-chan change // closed after the end
	ours    int64         // memory in bytes that was ours but counts as the child's
	began   time.Time

	mu     sync.Mutex
	reaped bool
}

// watch starts to wait for the child pid: for its end and, if jobs is set, for stops and
// continuations.
func watch(pid int, jobs bool) *process {
	options := 0
	if jobs {
		options = unix.WUNTRACED | unix.WCONTINUED
	}
	c := make(chan change, 8)
	p := &process{pid: pid, changes: c, began: time.Now()}
	ours.Store(pid, true)
	go func() {
		defer close(c)
		defer ours.Delete(pid)
		p.ours = ownPeak()
		for {
			ch := p.next(options)
			c <- ch
			if ch.ended() {
				return
			}
		}
	}()
	return p
}

// wait4 returns a change; with WNOHANG there may be none.
func (p *process) wait4(options int) (c change, ok bool) {
	var ws syscall.WaitStatus
	var ru syscall.Rusage
	for {
		pid, err := syscall.Wait4(p.pid, &ws, options, &ru)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return change{err: fmt.Errorf("wait for process %d: %w", p.pid, err)}, true
		default:
			return change{status: ws, exit: newExit(ws, &ru, p.ours)}, pid == p.pid
		}
	}
}

// signal sends sig to the process or its process group. It does nothing after the end of
// the process.
func (p *process) signal(sig syscall.Signal, group bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	pid := p.pid
	if group {
		pid = -pid
	}
	// Ignore ESRCH and EPERM, which cannot be reported to the original sender.
	_ = unix.Kill(pid, sig)
}
