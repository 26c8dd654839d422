package trace

import "golang.org/x/sys/unix"

// otherNumbers would mark the calls of a second interface with the same arch; there is none.
const otherNumbers = 0

// abis are those of this machine, its own first.
var abis = []abi{
	{unix.AUDIT_ARCH_AARCH64, map[uint32]call{
		unix.SYS_OPENAT: at(opens, 0, 1, 2), unix.SYS_OPENAT2: at(opensHow, 0, 1, 2), unix.SYS_TRUNCATE: at(truncates, none, 0, none),
		unix.SYS_RENAMEAT: toName(renames, 0, 1, 2, 3, none), unix.SYS_RENAMEAT2: toName(renames, 0, 1, 2, 3, 4),
		unix.SYS_LINKAT: toName(links, 0, 1, 2, 3, 4), unix.SYS_SYMLINKAT: at(symlinks, 1, 2, none), unix.SYS_UNLINKAT: at(unlinks, 0, 1, none),
		unix.SYS_MKNODAT: at(makesNode, 0, 1, 2), unix.SYS_EXECVE: at(executes, none, 0, none), unix.SYS_EXECVEAT: at(executes, 0, 1, 4),
		unix.SYS_IO_URING_SETUP: at(ring, none, none, none), unix.SYS_OPEN_BY_HANDLE_AT: at(handle, none, none, none),
		unix.SYS_CHROOT: at(enters, none, none, none), unix.SYS_PIVOT_ROOT: at(enters, none, none, none), unix.SYS_UNSHARE: at(enters, none, none, none), unix.SYS_SETNS: at(enters, none, none, none),
		unix.SYS_MOUNT: at(enters, none, none, none), unix.SYS_UMOUNT2: at(enters, none, none, none), unix.SYS_MOVE_MOUNT: at(enters, none, none, none),
	}},
	{unix.AUDIT_ARCH_ARM, map[uint32]call{
		5: at(opens, none, 0, 1), 322: at(opens, 0, 1, 2), 437: at(opensHow, 0, 1, 2),
		8: at(creates, none, 0, none), 92: at(truncates, none, 0, none), 193: at(truncates, none, 0, none),
		38: toName(renames, none, 0, none, 1, none), 329: toName(renames, 0, 1, 2, 3, none), 382: toName(renames, 0, 1, 2, 3, 4),
		9: toName(links, none, 0, none, 1, none), 330: toName(links, 0, 1, 2, 3, 4),
		83: at(symlinks, none, 1, none), 331: at(symlinks, 1, 2, none),
		10: at(unlinks, none, 0, none), 328: at(unlinks, 0, 1, none), 40: at(unlinks, none, 0, none),
		14: at(makesNode, none, 0, 1), 324: at(makesNode, 0, 1, 2),
		11: at(executes, none, 0, none), 387: at(executes, 0, 1, 4),
		425: at(ring, none, none, none), 371: at(handle, none, none, none),
		61: at(enters, none, none, none), 218: at(enters, none, none, none), 337: at(enters, none, none, none), 375: at(enters, none, none, none),
		21: at(enters, none, none, none), 22: at(enters, none, none, none), 52: at(enters, none, none, none), 429: at(enters, none, none, none),
	}},
}
