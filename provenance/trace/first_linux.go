package trace

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An opened is a file that the command has inherited.
type opened struct {
	path  string
	flags uint64 // of open(2)
}

// inherited returns the files that a thread will still have open after its exec, but for the first
// three, which its caller knows.
func inherited(tid int) (list []opened) {
	entries, err := os.ReadDir(proc(tid) + "fd")
	if err != nil {
		return nil // its memory cannot be read, either, which is counted
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		path, err := readlink(proc(tid) + "fd/" + e.Name())
		if err != nil || ofKernel(path) {
			continue
		}
		info, err := os.ReadFile(proc(tid) + "fdinfo/" + e.Name())
		if err != nil {
			continue
		}
		_, rest, _ := bytes.Cut(info, []byte("flags:\t"))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		if flags, err := strconv.ParseUint(string(line), 8, 64); err == nil && flags&(unix.O_CLOEXEC|noContent) == 0 {
			list = append(list, opened{path, flags})
		}
	}
	return list
}

// longestFirst is how much of its first line the kernel reads of a script.
const longestFirst = 256

// interpreter returns the path of the program that a script names in its first line, "" for none. The
// file has just been executed, so it can be opened.
func interpreter(name string) string {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	b := make([]byte, longestFirst)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return ""
	}
	line, _, _ := bytes.Cut(b[:n], []byte("\n"))
	text, script := strings.CutPrefix(string(line), "#!")
	if words := strings.Fields(text); script && len(words) > 0 && strings.HasPrefix(words[0], "/") {
		return words[0]
	}
	return ""
}
