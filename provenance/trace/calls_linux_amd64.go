package trace

import "golang.org/x/sys/unix"

// otherNumbers marks the calls of the x32 interface, most of which have the same numbers.
const otherNumbers = 0x40000000

// abis are those of this machine, its own first.
var abis = []abi{
	{unix.AUDIT_ARCH_X86_64, map[uint32]call{
		unix.SYS_OPEN: at(opens, none, 0, 1), unix.SYS_OPENAT: at(opens, 0, 1, 2), unix.SYS_OPENAT2: at(opensHow, 0, 1, 2),
		unix.SYS_CREAT: at(creates, none, 0, none), unix.SYS_TRUNCATE: at(truncates, none, 0, none),
		unix.SYS_RENAME: toName(renames, none, 0, none, 1, none), unix.SYS_RENAMEAT: toName(renames, 0, 1, 2, 3, none), unix.SYS_RENAMEAT2: toName(renames, 0, 1, 2, 3, 4),
		unix.SYS_LINK: toName(links, none, 0, none, 1, none), unix.SYS_LINKAT: toName(links, 0, 1, 2, 3, 4),
		unix.SYS_SYMLINK: at(symlinks, none, 1, none), unix.SYS_SYMLINKAT: at(symlinks, 1, 2, none),
		unix.SYS_UNLINK: at(unlinks, none, 0, none), unix.SYS_UNLINKAT: at(unlinks, 0, 1, none), unix.SYS_RMDIR: at(unlinks, none, 0, none),
		unix.SYS_MKNOD: at(makesNode, none, 0, 1), unix.SYS_MKNODAT: at(makesNode, 0, 1, 2),
		unix.SYS_EXECVE: at(executes, none, 0, none), unix.SYS_EXECVEAT: at(executes, 0, 1, 4),
		520: at(executes, none, 0, none), 545: at(executes, 0, 1, 4), // of x32
		unix.SYS_IO_URING_SETUP: at(ring, none, none, none), unix.SYS_OPEN_BY_HANDLE_AT: at(handle, none, none, none),
		unix.SYS_CHROOT: at(enters, none, none, none), unix.SYS_PIVOT_ROOT: at(enters, none, none, none), unix.SYS_UNSHARE: at(enters, none, none, none), unix.SYS_SETNS: at(enters, none, none, none),
		unix.SYS_MOUNT: at(enters, none, none, none), unix.SYS_UMOUNT2: at(enters, none, none, none), unix.SYS_MOVE_MOUNT: at(enters, none, none, none),
	}},
	{unix.AUDIT_ARCH_I386, map[uint32]call{
		5: at(opens, none, 0, 1), 295: at(opens, 0, 1, 2), 437: at(opensHow, 0, 1, 2),
		8: at(creates, none, 0, none), 92: at(truncates, none, 0, none), 193: at(truncates, none, 0, none),
		38: toName(renames, none, 0, none, 1, none), 302: toName(renames, 0, 1, 2, 3, none), 353: toName(renames, 0, 1, 2, 3, 4),
		9: toName(links, none, 0, none, 1, none), 303: toName(links, 0, 1, 2, 3, 4),
		83: at(symlinks, none, 1, none), 304: at(symlinks, 1, 2, none),
		10: at(unlinks, none, 0, none), 301: at(unlinks, 0, 1, none), 40: at(unlinks, none, 0, none),
		14: at(makesNode, none, 0, 1), 297: at(makesNode, 0, 1, 2),
		11: at(executes, none, 0, none), 358: at(executes, 0, 1, 4),
		425: at(ring, none, none, none), 342: at(handle, none, none, none),
		61: at(enters, none, none, none), 217: at(enters, none, none, none), 310: at(enters, none, none, none), 346: at(enters, none, none, none),
		21: at(enters, none, none, none), 22: at(enters, none, none, none), 52: at(enters, none, none, none), 429: at(enters, none, none, none),
	}},
}
