package capture

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readsTerminal reports whether a descendant of root waits in read(2) for a line from the
// pseudo-terminal of master. It examines only descendants, not all processes. Processes
// that it must not examine, such as setuid programs, do not count.
func readsTerminal(root, master int) bool {
	n, err := unix.IoctlGetUint32(master, unix.TIOCGPTN)
	if err != nil {
		return false
	}
	name := fmt.Sprintf("/dev/pts/%d", n)
	for pids := children(root); len(pids) > 0; {
		pid := pids[0]
		pids = append(pids[1:], children(pid)...)
		if fd, ok := waitsInRead(pid); ok {
			file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
			if err == nil && (file == name || file == "/dev/tty") {
				return true
			}
		}
	}
	return false
}

// children returns the children of all threads of a process.
func children(pid int) (pids []int) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil // cannot happen: the pattern is valid
	}
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// waitsInRead returns the descriptor from which a process is waiting to read.
func waitsInRead(pid int) (fd int64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	if err != nil {
		return 0, false
	}
	f := strings.Fields(string(b)) // number, arguments ..., or "running"
	if len(f) < 2 || f[0] != strconv.Itoa(unix.SYS_READ) {
		return 0, false
	}
	fd, err = strconv.ParseInt(strings.TrimPrefix(f[1], "0x"), 16, 64)
	return fd, err == nil
}
