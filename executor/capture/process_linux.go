package capture

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/procfs"
)

// next waits for the next change. A child that has ended is reaped under the lock, which
// waitid(2) with WNOWAIT makes possible.
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
		read, written := p.transferred()
		p.mu.Lock()
		c, ok := p.wait4(options | unix.WNOHANG)
		p.reaped = ok && c.ended()
		p.mu.Unlock()
		if ok {
			c.exit.Usage.Read, c.exit.Usage.Written = read, written
			return c
		}
		// A continuation undid the stop before it was read.
	}
}

// transferred returns how many bytes the process has read and written, with the children that it
// has waited for. They are not asked for after a short run, which should cost nothing.
func (p *process) transferred() (read, written int64) {
	if time.Since(p.began) < longRun {
		return 0, 0
	}
	r, w, err := new(procfs.Reader).IO(p.pid)
	if err != nil {
		return 0, 0 // another user's, such as that of sudo
	}
	return int64(r), int64(w)
}

const longRun = time.Second

// stopsEarly reports whether a process is stopped, or about to be, because it used a
// terminal from the background.
func stopsEarly(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return true // an additional SIGCONT does less harm than a missing one
	}
	const stops = 1<<(unix.SIGTTIN-1) | 1<<(unix.SIGTTOU-1)
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":\t")
		switch name {
		case "State":
			if strings.HasPrefix(value, "T") {
				return true
			}
		case "SigPnd", "ShdPnd":
			if set, err := strconv.ParseUint(value, 16, 64); err != nil || set&stops != 0 {
				return true
			}
		}
	}
	return false
}
