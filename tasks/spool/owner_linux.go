package spool

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// bootID names this machine since it was started, "" when the system does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// pidSpace names the namespace of process ids, "" when the system does not tell.
func pidSpace() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return name
}

// processStart returns when a process began, in clock ticks since the machine was
// started, and whether it has ended and only its parent has not asked yet.
func processStart(pid int) (start string, ended bool, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	// The second field is the program's name in brackets, which may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return "", false, fmt.Errorf("/proc/%d/stat has %d fields behind the name", pid, len(fields))
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X", nil
}

// zfsMagic is what statfs(2) calls ZFS, which is not part of the kernel's sources.
const zfsMagic = 0x2fc12fc1

// onlyHere reports whether a file lies on a file system that only one machine has
// mounted at a time.
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
