package worktree

import (
	"golang.org/x/sys/unix"

	"qme/internal/regular"
)

// metaLimit bounds git's small files: HEAD, a ref, a configuration, attributes.
const metaLimit = 64 << 10

// readMeta returns one of git's small files.
func readMeta(name string) ([]byte, error) {
	b, _, err := regular.ReadBounded(name, metaLimit, 0)
	return b, err
}

// lstatAt is fstatat(2) that does not follow links, started again when a signal
// interrupts it.
func lstatAt(dirfd int, name string, st *unix.Stat_t) error {
	for {
		err := unix.Fstatat(dirfd, name, st, unix.AT_SYMLINK_NOFOLLOW)
		if err != unix.EINTR {
			return err
		}
	}
}
