package spool

import (
	"bytes"
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
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// pidSpace names the namespace of process ids, or is "" when the system does not provide it.
func pidSpace() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return name
}

// processStart returns the start time of a process, in clock ticks since boot. ended says that
// the process has exited but its parent has not waited for it.
func processStart(pid int) (start string, ended bool, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	// The second field is the program's name in parentheses, which may contain any character.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return "", false, fmt.Errorf("/proc/%d/stat has %d fields behind the name", pid, len(fields))
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X", nil
}

// zfsMagic is the type that statfs(2) returns for ZFS. ZFS is not part of the kernel's sources,
// so unix does not define it.
const zfsMagic = 0x2fc12fc1

// onlyHere reports whether a file is on a file system that only one machine can mount at a
// time.
func onlyHere(f afero.File) bool {
	real, ok := f.(*os.File)
	if !ok {
		return false
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(real.Fd()), &st); err != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, zfsMagic:
		return true
	}
	return false
}

// born returns when the process began, as the process list has it, 0 if that is not known.
func (o owner) born() uint64 {
	n, err := strconv.ParseUint(o.Start, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// firstSpace names the namespace of process ids in which the kernel has started the first process. From
// there all others are seen.
const firstSpace = "pid:[4026531836]"

// seesAll reports whether a process in a namespace sees those of all namespaces.
func seesAll(space string) bool { return space == firstSpace }
