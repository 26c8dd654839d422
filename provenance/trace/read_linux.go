package trace

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pathMost is the longest path that the kernel takes, with its NUL.
const pathMost = unix.PathMax

// A use is what a call does, as far as it must be read while the call waits.
type use struct {
	kind       kind
	tid        int
	flags      uint64
	path, name string   // absolute, not resolved; name is the new one of renames and links
	viewer     *viewer  // nil if the process could not be read
	before     *State   // of the file that is written, nil if it was not there
	folder     bool     // of a rename: it moves a folder
	failed     bool     // the arguments could not be read
	inherited  []opened // by the command itself
	depth      int      // of scripts that are those of each other
}

// read reads what a call names. The process waits, so its memory, directory and descriptors are those
// of the call.
func (s *sightings) read(n notice) use {
	c, ok := findCall(n.arch, n.nr)
	u := use{kind: c.kind, tid: int(n.pid)}
	if !ok || c.kind == ring || c.kind == handle {
		return u
	}
	if c.flags != none {
		u.flags = n.args[c.flags]
	}
	if c.kind == opensHow {
		var how [8]byte
		if got, err := peek(u.tid, n.args[c.flags], how[:]); err != nil || got < len(how) {
			u.failed = true
			return u
		}
		u.flags = *(*uint64)(unsafe.Pointer(&how))
		if u.flags&tmpfile == 0 && u.flags&noContent != 0 {
			u.kind = 0
			return u
		}
	}
	u.viewer = s.viewer(u.tid)
	empty := u.flags&unix.AT_EMPTY_PATH != 0 && (c.kind == links || c.kind == executes)
	if u.path, ok = place(n, c.dir, c.path, empty); !ok {
		u.failed = true
		return u
	}
	if c.path2 != none {
		if u.name, ok = place(n, c.dir2, c.path2, false); !ok {
			u.failed = true
			return u
		}
	}
	if c.kind == executes && s.isFirst() {
		u.inherited = inherited(u.tid)
	}
	s.before(&u)
	return u
}

// writes reports whether an open can change the file.
func (u *use) writes() bool {
	switch u.kind {
	case creates, truncates:
		return true
	case opens, opensHow:
		return u.flags&unix.O_ACCMODE != unix.O_RDONLY || u.flags&(unix.O_CREAT|unix.O_TRUNC) != 0
	}
	return false
}

// reads reports whether an open can see what was in the file.
func (u *use) reads() bool {
	switch u.kind {
	case opens, opensHow:
		return u.flags&unix.O_ACCMODE != unix.O_WRONLY && u.flags&unix.O_TRUNC == 0
	case executes:
		return true
	}
	return false
}

// place returns the absolute path of an argument, "" if the call must fail. An empty argument can mean
// the descriptor itself. It returns false if the argument cannot be read.
func place(n notice, dir, path int8, empty bool) (string, bool) {
	text, ok := peekPath(int(n.pid), n.args[path])
	if !ok || text == "" && !empty {
		return "", ok
	}
	if strings.HasPrefix(text, "/") {
		return ownLinks(int(n.pid), text), true
	}
	link := "cwd"
	if dir != none {
		if fd := int32(n.args[dir]); fd != unix.AT_FDCWD {
			link = "fd/" + strconv.Itoa(int(fd))
		}
	}
	base, err := readlink(proc(int(n.pid)) + link)
	if err != nil {
		// A descriptor that there is not makes the call fail.
		return "", errors.Is(err, unix.ENOENT)
	}
	if text == "" {
		return base, true
	}
	return base + "/" + text, true
}

// ownLinks follows the links of /proc and /dev that mean another file in each process.
func ownLinks(tid int, path string) string {
	own := map[string]string{"/dev/stdin": "/dev/fd/0", "/dev/stdout": "/dev/fd/1", "/dev/stderr": "/dev/fd/2"}
	if !strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/dev/") {
		return path
	}
	if fd, ok := own[path]; ok {
		path = fd
	}
	for _, prefix := range []string{"/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			if target, err := readlink(proc(tid) + "fd/" + rest); err == nil {
				return target
			}
		}
	}
	return path
}

func proc(tid int) string { return "/proc/" + strconv.Itoa(tid) + "/" }

// readlink is readlink(2). It allocates only what it returns.
func readlink(path string) (string, error) {
	var b [pathMost]byte
	n, err := unix.Readlink(path, b[:])
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// peekPath reads a string that ends in NUL from the memory of a thread.
func peekPath(tid int, addr uint64) (string, bool) {
	var b [pathMost]byte
	for got := 0; got < len(b); {
		// What lies behind the end of the page may not be readable, and most paths are short.
		const page = 4096
		want := min(len(b)-got, page-int((addr+uint64(got))%page))
		if got == 0 {
			want = min(want, 256)
		}
		n, err := peek(tid, addr+uint64(got), b[got:got+want])
		if err != nil || n == 0 {
			return "", errors.Is(err, unix.EFAULT) // a call with a bad address fails
		}
		if end := bytes.IndexByte(b[got:got+n], 0); end >= 0 {
			return string(b[:got+end]), true
		}
		got += n
	}
	return "", true // the call fails: ENAMETOOLONG
}

// peek reads memory of a thread.
func peek(tid int, addr uint64, b []byte) (int, error) {
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(b)}
	n, _, errno := unix.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
