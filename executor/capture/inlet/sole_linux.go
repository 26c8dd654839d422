package inlet

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// mostLooked is how many descriptors of other processes are looked at.
	mostLooked = 1000
	// mostProcesses is how many ancestors are looked at, and how many descendants.
	mostProcesses = 64
	// A shell that has just started this process may be about to close its end of the pipe.
	closing, closings = 500 * time.Microsecond, 4
)

// isPipe reports whether fd is a pipe or a FIFO.
func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && uint32(st.Mode)&unix.S_IFMT == unix.S_IFIFO
}

// soleOpening returns another opening of the pipe fd if no other process can read from that pipe,
// nor get it from another process. fd then is that opening, too. why is Shared or Unknown
// otherwise; fd may then also be another opening of the same pipe, which is the same to a command.
//
// There are two questions. Does another process have the same opening of the pipe? These come from
// fork(2), in processes of any user and any age. The kernel answers this exactly: see sole. And
// does another process have an opening of its own, from /dev/stdin or /dev/fd/N? Such a process
// is one that has, or had, the pipe itself: those are the ancestors, and what was started by a
// shell that this process has replaced.
func soleOpening(fd, nonblock int) (again int, why string) {
	link := linkOf(fd)
	var st unix.Stat_t
	if !strings.HasPrefix(link, "pipe:[") || unix.Fstat(fd, &st) != nil {
		return -1, Shared // a FIFO, which any process can open by its name
	}
	if int(st.Uid) != os.Geteuid() {
		return -1, Unknown // other users have their own ways to open it
	}
	if why := otherOpenings(link, fd); why != "" {
		return -1, why
	}
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC|nonblock, 0)
	if err != nil {
		return -1, Unknown
	}
	if why = sole(fd, again); why != "" {
		unix.Close(again)
		return -1, why
	}
	return again, ""
}

// sole replaces fd by again, another opening of the same pipe. It returns "" if that was the last
// descriptor of the old opening in all processes. epoll(7) tells: it forgets an opening when its last
// descriptor is closed.
func sole(fd, again int) (why string) {
	watch, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return Unknown
	}
	defer unix.Close(watch)
	info := fmt.Sprintf("/proc/self/fdinfo/%d", watch)
	if err := unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{}); err != nil || !watches(info, true) {
		return Unknown
	}
	if replace(fd, again) != nil {
		return Unknown
	}
	for range closings {
		if watches(info, false) {
			return ""
		}
		time.Sleep(closing)
	}
	return Shared
}

// replace makes fd another descriptor of what with is, and leaves whether programs inherit it.
func replace(fd, with int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		return err
	}
	return unix.Dup3(with, fd, flags&unix.FD_CLOEXEC*unix.O_CLOEXEC)
}

// watches reports whether the text of an epoll instance could be read, and lists an opening or not.
func watches(info string, want bool) bool {
	b := readSmall(info)
	return len(b) > 0 && bytes.Contains(b, []byte("tfd:")) == want
}

// otherOpenings looks for descriptors of the pipe in this process, in its ancestors, and in its
// descendants, which it has from a shell that it has replaced. A process of another user is passed
// over: it cannot open this user's pipe again unless it is root, and nothing of root's does.
func otherOpenings(link string, fd int) (why string) {
	pid, left := os.Getpid(), mostLooked
	if why := openedBelow(pid, link, &left); why != "" {
		return why
	}
	for range mostProcesses {
		if why := opens(pid, link, fd, &left); why != "" || pid == 1 {
			return why
		}
		switch pid = parent(pid); pid {
		case -1:
			return Unknown
		case 0: // outside the container
			return ""
		}
		fd = -1 // a descriptor of this process alone
	}
	return Unknown
}

// openedBelow reports whether a descendant of a process can read from the pipe.
func openedBelow(pid int, link string, left *int) (why string) {
	for todo, n := []int{pid}, 0; len(todo) > 0; n++ {
		if n > mostProcesses {
			return Unknown
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", todo[0], todo[0]))
		if err != nil && n == 0 {
			return Unknown // the kernel does not tell; the others may have ended
		}
		todo = todo[1:]
		for _, child := range strings.Fields(string(children)) {
			child, err := strconv.Atoi(child)
			if err != nil {
				return Unknown
			}
			if why := opens(child, link, -1, left); why != "" {
				return why
			}
			todo = append(todo, child)
		}
	}
	return ""
}

// opens reports whether a process can read from the pipe by a descriptor other than except.
func opens(pid int, link string, except int, left *int) (why string) {
	for try := 0; ; try++ {
		at, why := reads(pid, link, except, left)
		// A shell keeps for itself what it has as standard input. Other descriptors may be those
		// with which it makes a pipeline.
		if why == "" || why == Unknown || at <= 2 || except >= 0 || try == closings {
			return why
		}
		time.Sleep(closing)
	}
}

// reads returns a descriptor by which a process can read from the pipe.
func reads(pid int, link string, except int, left *int) (at int, why string) {
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	d, err := os.Open(folder)
	if err != nil {
		return -1, "" // another user's, or it has ended
	}
	defer d.Close()
	buf := make([]byte, len(link)+1)
	for {
		names, err := d.Readdirnames(256)
		if err != nil {
			return -1, "" // io.EOF, or it has ended
		}
		if *left -= len(names); *left < 0 {
			return -1, Unknown
		}
		for _, name := range names {
			n, err := unix.Readlinkat(int(d.Fd()), name, buf)
			if err != nil || string(buf[:n]) != link {
				continue
			}
			number, err := strconv.Atoi(name)
			var st unix.Stat_t
			if err != nil || unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
				return -1, Unknown
			}
			if number != except && st.Mode&unix.S_IRUSR != 0 {
				return number, Shared
			}
		}
	}
}

// parent returns the parent of a process, 0 if it is not visible, and -1 if that is not known.
func parent(pid int) int {
	stat := readSmall(fmt.Sprintf("/proc/%d/stat", pid))
	// The name of the program, in parentheses, can contain anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return -1
	}
	ppid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return -1
	}
	return ppid
}

func linkOf(fd int) string {
	b := make([]byte, 64)
	n, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd), b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

// readSmall returns the first bytes of a file of the kernel, nil if it cannot be read.
func readSmall(path string) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	b := make([]byte, 1024)
	n, err := read(fd, b)
	if err != nil || n <= 0 {
		return nil
	}
	return b[:n]
}
