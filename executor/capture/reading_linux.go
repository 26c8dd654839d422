package capture

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"qme/internal/procfs"
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
	var files procfs.Reader
	pids := files.Children(nil, root)
	for ; len(pids) > 0; pids = pids[1:] {
		pid := pids[0]
		pids = files.Children(pids, pid)
		if fd, ok := waitsInRead(pid); ok {
			file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
			if err == nil && (file == name || file == "/dev/tty") {
				return true
			}
		}
	}
	return false
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
