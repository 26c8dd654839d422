package capture

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Of <sys/proc.h>: SSTOP and SZOMB.
const stateStopped, stateZombie = 4, 5

// hasVariable returns false, since macOS does not show the environment of processes.
func hasVariable(int, string) bool { return false }

// processes returns the process table of the kernel, which does not contain sessions.
func processes() ([]proc, error) {
	table, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var procs []proc
	for _, k := range table {
		start := k.Proc.P_starttime
		procs = append(procs, proc{
			pid: int(k.Proc.P_pid), ppid: int(k.Eproc.Ppid), pgrp: int(k.Eproc.Pgid),
			born: uint64(start.Sec)*1e6 + uint64(start.Usec),
			dead: k.Proc.P_stat == stateZombie,
		})
	}
	return procs, nil
}

// isStopped reports whether a process stands still, or does not exist. It does not know of a group, a
// negative pid.
func isStopped(pid int) bool {
	if pid < 0 {
		return false
	}
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	return err != nil || k.Proc.P_stat == stateStopped || k.Proc.P_stat == stateZombie
}
