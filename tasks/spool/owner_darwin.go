package spool

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// bootID returns an id of the current boot of this machine, or "" when the system does not
// provide one.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

// pidSpace names the namespace of process ids. There is only one.
func pidSpace() string { return "" }

// zombie is the state SZOMB of sys/proc.h.
const zombie = 5

// processStart returns the start time of a process. ended says that it is a zombie: it has
// exited but its parent has not waited for it.
func processStart(pid int) (start string, ended bool, err error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return "", false, err
	}
	at := info.Proc.P_starttime
	return fmt.Sprintf("%d.%06d", at.Sec, at.Usec), info.Proc.P_stat == zombie, nil
}

// onlyHere reports whether a file is on a file system that only one machine can mount at a
// time.
func onlyHere(f afero.File) bool {
	real, ok := f.(*os.File)
	if !ok {
		return false
	}
	var st unix.Statfs_t
	return unix.Fstatfs(int(real.Fd()), &st) == nil && st.Flags&unix.MNT_LOCAL != 0
}

// seesAll reports whether this process sees those of all namespaces.
func seesAll(string) bool { return true }

// born returns when the process began, as the process list has it, 0 if that is not known.
func (o owner) born() uint64 {
	n, err := strconv.ParseUint(strings.Replace(o.Start, ".", "", 1), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
