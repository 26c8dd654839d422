package trace

import (
	"bytes"
	"errors"
	"path"
	"regexp"
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
	path, name string    // absolute, not resolved; name is the new one of renames and links
	viewer     *viewer   // nil if the process could not be read
	before     *State    // of the file that is written, nil if it was not there
	other      *State    // of the file that is exchanged for that
	folder     bool      // of a rename: it moves a folder
	failed     bool      // the arguments could not be read
	there      *resolved // what is read in another file system tree
	inherited  []opened  // by the command itself
	resolve    uint64    // how openat2(2) is to follow links
	late       bool      // what was seen before the call has not been looked at in time
	at         uint64    // the number of the call
	depth      int       // of scripts that are those of each other
}

// read reads what a call names. The process waits, so its memory, directory and descriptors are those
// of the call.
func (s *sightings) read(n notice) use {
	c, ok := findCall(n.arch, n.nr)
	u := use{kind: c.kind, tid: int(n.pid)}
	if c.kind == enters {
		s.stopKeeping()
	}
	if !ok || c.kind == ring || c.kind == handle || c.kind == enters {
		return u
	}
	if c.flags != none {
		u.flags = n.args[c.flags]
	}
	if c.kind == opensHow {
		var how unix.OpenHow
		if got, err := peek(u.tid, n.args[c.flags], (*[unsafe.Sizeof(how)]byte)(unsafe.Pointer(&how))[:]); err != nil || got < int(unsafe.Sizeof(how)) {
			u.failed = !errors.Is(err, unix.EFAULT) // with a bad address the call fails
			u.kind = 0
			return u
		}
		u.flags, u.resolve = how.Flags, how.Resolve&^resolveCached
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
	if u.resolve != 0 && u.path != "" && !u.viewer.foreign {
		u.path = u.resolved(n, c)
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
	base, err := readlink(proc(int(n.pid)) + folderLink(n, dir))
	if err != nil {
		// A descriptor that there is not makes the call fail.
		return "", errors.Is(err, unix.ENOENT)
	}
	if text == "" {
		return base, true
	}
	if full := base + "/" + text; len(full) < pathMost {
		return ownLinks(int(n.pid), full), true
	}
	return "", false // it cannot be looked at by this name
}

// folderLink returns the link of a process to the folder where a path begins.
func folderLink(n notice, dir int8) string {
	if dir != none {
		if fd := int32(n.args[dir]); fd != unix.AT_FDCWD {
			return "fd/" + strconv.Itoa(int(fd))
		}
	}
	return "cwd"
}

// resolveCached is RESOLVE_CACHED of openat2(2), which does not change what a path means.
const resolveCached = 0x20

// resolved returns the path of an openat2(2) that does not follow links as others do; "" if the call must
// fail.
func (u *use) resolved(n notice, c call) string {
	text, _ := peekPath(u.tid, n.args[c.path])
	folder, err := unix.Open(proc(u.tid)+folderLink(n, c.dir), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(folder)
	find := func(name string) (string, error) {
		fd, err := unix.Openat2(folder, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: u.resolve})
		if err != nil {
			return "", err
		}
		defer unix.Close(fd)
		return readlink(selfFD(fd))
	}
	full, err := find(text)
	if !errors.Is(err, unix.ENOENT) || u.flags&unix.O_CREAT == 0 {
		return full
	}
	parent, err := find(path.Dir(text))
	if err != nil {
		return ""
	}
	return path.Join(parent, path.Base(text))
}

// ownLinks follows the links of /proc and /dev that mean another file in each process, or that end
// with the process.
func ownLinks(tid int, name string) string {
	if !strings.HasPrefix(name, "/proc/") && !strings.HasPrefix(name, "/dev/") {
		return name
	}
	own := map[string]string{"/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"}
	if link, ok := own[name]; ok {
		name = link
	}
	if rest, ok := strings.CutPrefix(name, "/dev/fd/"); ok {
		name = "/proc/self/fd/" + rest
	}
	m := linkOfProcess.FindStringSubmatch(name)
	if m == nil {
		return name
	}
	process := m[1]
	if process == "self" || process == "thread-self" {
		process = strconv.Itoa(tid)
	}
	target, err := readlink("/proc/" + process + "/" + m[2])
	if err != nil {
		return name
	}
	return strings.TrimSuffix(target, "/") + m[3]
}

// linkOfProcess has the process, its link, and what follows that.
var linkOfProcess = regexp.MustCompile(`^/proc/(self|thread-self|[0-9]+)/(?:task/[0-9]+/)?(fd/[0-9]+|map_files/[0-9a-f-]+|cwd|root|exe)(/.*)?$`)

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
