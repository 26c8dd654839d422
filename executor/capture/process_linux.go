package capture

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// next waits for the next change. A child that has ended is reaped under the lock,
// which waitid(2) with WNOWAIT makes possible.
func (p *process) next(options int) change {
	watched := unix.WEXITED | unix.WNOWAIT
	if options&unix.WUNTRACED != 0 {
		watched |= unix.WSTOPPED
	}
	watched |= options & unix.WCONTINUED
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, watched, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return change{err: fmt.Errorf("wait for process %d: %w", p.pid, err)}
		}
		p.mu.Lock()
		c, ok := p.wait4(options | unix.WNOHANG)
		p.reaped = ok && c.ended()
		p.mu.Unlock()
		if ok {
			return c
		}
		// A continuation undid the stop before it could be fetched.
	}
}
