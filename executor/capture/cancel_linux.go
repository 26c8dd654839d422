package capture

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// processes returns the processes in /proc.
func processes() ([]proc, error) {
	pids, err := numbersIn("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var procs []proc
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has just ended
		}
		if p, ok := parseStat(stat); ok {
			procs = append(procs, p)
		}
	}
	return procs, nil
}

// hasVariable reports whether a process was started with a variable, "NAME=value".
func hasVariable(pid int, variable string) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false // it has ended, or belongs to another user
	}
	return bytes.Contains(append([]byte{0}, env...), []byte("\x00"+variable+"\x00"))
}

// parseStat parses /proc/PID/stat. The name in it is in parentheses and may contain any
// characters, even parentheses.
func parseStat(b []byte) (proc, bool) {
	open, end := bytes.IndexByte(b, ' '), bytes.LastIndexByte(b, ')')
	if open < 0 || end < 0 {
		return proc{}, false
	}
	const startTime = 19 // counted from the state, the first field after the name
	f := bytes.Fields(b[end+1:])
	if len(f) <= startTime {
		return proc{}, false
	}
	var p proc
	for i, field := range map[*int][]byte{&p.pid: b[:open], &p.ppid: f[1], &p.pgrp: f[2], &p.session: f[3]} {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			return proc{}, false
		}
		*i = n
	}
	born, err := strconv.ParseUint(string(f[startTime]), 10, 64)
	if err != nil {
		return proc{}, false
	}
	p.born = born
	p.dead = f[0][0] == 'Z' || f[0][0] == 'X'
	return p, true
}
