package aside

import (
	"os"

	"golang.org/x/sys/unix"
)

// searchFlags open a folder for the names in it.
const searchFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

func modified(st *unix.Stat_t) int64 { return st.Mtim.Nano() }

func renameNew(fromDir int, from string, toDir int, to string) error {
	return unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
}

// clone has a file share the blocks of another one, where the file system can do that.
func clone(to, from *os.File) error { return unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) }
