// Package procfs reads the files that Linux has for each process below /proc.
package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Root is where the files of processes are.
const Root = "/proc"

// A Stat is the state of a process, as in proc_pid_stat(5).
type Stat struct {
	PID, Parent, Group, Session int
	State                       byte // 'R', 'S', 'Z' ...
	Threads                     int
	// Used is the processor time of all threads, and Waited that of the children that the process
	// has waited for, with theirs.
	Used, Waited Ticks
	Born         uint64 // identifies a process uniquely, together with PID
	Pages        int64  // resident memory, in pages
}

// Ticks are processor time in programs and in the kernel, in hundredths of a second (USER_HZ).
type Ticks struct{ User, System uint64 }

// Plus returns the sum of both.
func (t Ticks) Plus(o Ticks) Ticks { return Ticks{t.User + o.User, t.System + o.System} }

// Minus returns how much more t is than o.
func (t Ticks) Minus(o Ticks) Ticks {
	return Ticks{t.User - min(t.User, o.User), t.System - min(t.System, o.System)}
}

// Dead reports whether the process is a zombie.
func (s *Stat) Dead() bool { return s.State == 'Z' || s.State == 'X' }

// The fields of the file, counted from the state, the first one after the name.
const (
	fieldParent  = 1
	fieldGroup   = 2
	fieldSession = 3
	fieldUser    = 11 // and system, of children user and system
	fieldThreads = 17
	fieldBorn    = 19
	fieldPages   = 21
	fields       = 22
)

// ParseStat reads the content of /proc/PID/stat. The name in it is in parentheses and may hold
// any bytes, also parentheses and newlines.
func ParseStat(b []byte) (s Stat, ok bool) {
	open, end := bytes.IndexByte(b, ' '), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return Stat{}, false
	}
	var f [fields]uint64
	rest := b[end+1:]
	for i := range f {
		rest = bytes.TrimLeft(rest, " ")
		n := bytes.IndexAny(rest, " \n")
		if n < 0 {
			n = len(rest)
		}
		word := rest[:n]
		rest = rest[n:]
		if i == 0 {
			if len(word) != 1 {
				return Stat{}, false
			}
			s.State = word[0]
			continue
		}
		if f[i], ok = number(word); !ok {
			return Stat{}, false
		}
	}
	pid, ok := number(b[:open])
	if !ok {
		return Stat{}, false
	}
	s.PID, s.Parent, s.Group, s.Session = int(pid), int(f[fieldParent]), int(f[fieldGroup]), int(f[fieldSession])
	s.Used, s.Waited = Ticks{f[fieldUser], f[fieldUser+1]}, Ticks{f[fieldUser+2], f[fieldUser+3]}
	s.Threads, s.Born, s.Pages = int(f[fieldThreads]), f[fieldBorn], int64(f[fieldPages])
	return s, true
}

// number reads a decimal number, also a negative one, as two's complement.
func number(word []byte) (uint64, bool) {
	digits, negative := bytes.CutPrefix(word, []byte("-"))
	if len(digits) == 0 || len(digits) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// A Reader reads files of processes into a buffer of its own. It is for one goroutine.
type Reader struct {
	Root string // where the processes are; empty means Root
	buf  []byte
}

const (
	page    = 4 << 10 // how much the kernel gives of a list at a time
	longest = 8 << 20 // of a file
)

// File returns the content of a file of a process, such as "stat". It is valid until the next
// call. The error is a unix.Errno.
func (r *Reader) File(pid int, name string) ([]byte, error) {
	return r.read(r.Folder(pid) + "/" + name)
}

// Folder returns the path of the folder of a process.
func (r *Reader) Folder(pid int) string {
	root := r.Root
	if root == "" {
		root = Root
	}
	return root + "/" + strconv.Itoa(pid)
}

func (r *Reader) read(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if r.buf == nil {
		r.buf = make([]byte, 4*page)
	}
	for n := 0; n < longest; {
		got, err := unix.Read(fd, r.buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n += got; got == 0 || n < page/2 { // a small file comes as a whole
			return r.buf[:n], nil
		}
		if n == len(r.buf) {
			r.buf = append(r.buf, make([]byte, n)...)
		}
	}
	return nil, unix.EFBIG
}

// Stat returns the state of a process; ok is false if it has ended or is hidden.
func (r *Reader) Stat(pid int) (s Stat, ok bool) {
	b, err := r.File(pid, "stat")
	if err != nil {
		return Stat{}, false
	}
	return ParseStat(b)
}

// Children appends the children of all threads of a process to list: those that can be found.
// Kernels before 4.2 have no lists of them unless they were built so; see HasChildren.
func (r *Reader) Children(list []int, pid int) []int {
	tasks, err := os.ReadDir(r.Folder(pid) + "/task")
	if err != nil {
		return list // it has just ended
	}
	for _, t := range tasks {
		list, _ = r.childrenOf(list, pid, t.Name()) // the thread may have ended
	}
	return list
}

// ChildrenOfFirst is Children for the first thread of a process alone, as if it had no other.
func (r *Reader) ChildrenOfFirst(list []int, pid int) []int {
	list, _ = r.childrenOf(list, pid, strconv.Itoa(pid)) // it may have ended
	return list
}

// HasChildren reports whether the kernel has lists of children.
func (r *Reader) HasChildren() bool {
	pid := os.Getpid()
	_, err := r.childrenOf(nil, pid, strconv.Itoa(pid))
	return err == nil
}

func (r *Reader) childrenOf(list []int, pid int, thread string) ([]int, error) {
	b, err := r.File(pid, "task/"+thread+"/children")
	if err != nil {
		return list, err
	}
	for len(b) > 0 {
		word, rest, _ := bytes.Cut(b, []byte(" "))
		if n, ok := number(word); ok {
			list = append(list, int(n))
		}
		b = rest
	}
	return list, nil
}

// HasVariable reports whether a process was started with a variable, "NAME=value". It is false
// for a process that has ended or belongs to another user.
func (r *Reader) HasVariable(pid int, variable string) bool {
	env, err := r.File(pid, "environ")
	if err != nil {
		return false
	}
	return bytes.HasPrefix(env, []byte(variable+"\x00")) || bytes.Contains(env, []byte("\x00"+variable+"\x00"))
}

// PSS returns the resident memory of a process in bytes, in which a page that n processes share
// counts as its n-th part, and own, the part that it shares with no other process.
func (r *Reader) PSS(pid int) (pss, own int64, err error) {
	b, err := r.File(pid, "smaps_rollup")
	if err != nil {
		return 0, 0, err
	}
	found := false
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		kb, ok := number(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB")))
		if !ok {
			continue
		}
		switch string(name) {
		case "Pss":
			pss, found = int64(kb)<<10, true
		case "Private_Clean", "Private_Dirty", "Private_Hugetlb":
			own += int64(kb) << 10
		}
	}
	if !found {
		return 0, 0, fmt.Errorf("smaps_rollup of process %d: %w", pid, unix.ENODATA)
	}
	return pss, own, nil
}

// IO returns how many bytes a process, and the children that it has waited for, have read and
// written by system calls, whether from a disk, a cache, a pipe or a terminal.
func (r *Reader) IO(pid int) (read, written uint64, err error) {
	b, err := r.File(pid, "io")
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(line, []byte(": "))
		n, _ := number(bytes.TrimSpace(value))
		switch string(name) {
		case "rchar":
			read = n
		case "wchar":
			written = n
		}
	}
	return read, written, nil
}
