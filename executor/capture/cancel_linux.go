package capture

import (
	"fmt"

	"qme/internal/procfs"
)

// processes returns the processes in /proc.
func processes() ([]proc, error) {
	pids, err := numbersIn(procfs.Root)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var procs []proc
	var files procfs.Reader
	for _, pid := range pids {
		if s, ok := files.Stat(pid); ok { // else it has just ended
			procs = append(procs, proc{pid: s.PID, ppid: s.Parent, pgrp: s.Group, session: s.Session, born: s.Born, dead: s.Dead()})
		}
	}
	return procs, nil
}

// hasVariable reports whether a process was started with a variable, "NAME=value".
func hasVariable(pid int, variable string) bool {
	return new(procfs.Reader).HasVariable(pid, variable)
}

// isStopped reports whether a process stands still, or does not exist. It does not know of a group, a
// negative pid.
func isStopped(pid int) bool {
	if pid < 0 {
		return false
	}
	s, ok := new(procfs.Reader).Stat(pid)
	return !ok || s.State == 'T' || s.Dead()
}
