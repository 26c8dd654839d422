package spool

import (
	"fmt"
	"os"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// bootID names this machine since it was started, "" when the system does not tell.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

// pidSpace names the namespace of process ids: there is one.
func pidSpace() string { return "" }

// zombie is the state SZOMB of sys/proc.h.
const zombie = 5

// processStart returns when a process began, and whether it has ended and only its
// parent has not asked yet.
func processStart(pid int) (start string, ended bool, err error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return "", false, err
	}
	at := info.Proc.P_starttime
	return fmt.Sprintf("%d.%06d", at.Sec, at.Usec), info.Proc.P_stat == zombie, nil
}

// onlyHere reports whether a file lies on a file system that only one machine has
// mounted at a time.
func onlyHere(f afero.File) bool {
	real, ok := f.(*os.File)
	if !ok {
		return false
	}
	var st unix.Statfs_t
	return unix.Fstatfs(int(real.Fd()), &st) == nil && st.Flags&unix.MNT_LOCAL != 0
}
