package ask

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// descendants returns the children of a process, their children and so on, except those whose
// parent has ended.
func descendants(pid int) []int {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // the pattern is right
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name of the program, in parentheses, may hold anything.
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		child, cerr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(fields) < 2 || cerr != nil {
			continue
		}
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			children[parent] = append(children[parent], child)
		}
	}
	var all []int
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		all = append(all, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// terminate asks a program that has no group of its own, and all that it has started, to end.
func terminate(p *os.Process) error {
	left := descendants(p.Pid) // before their parent is gone
	err := p.Signal(syscall.SIGTERM)
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended since
	}
	return err
}
