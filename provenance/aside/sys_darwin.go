package aside

import (
	"os"

	"golang.org/x/sys/unix"
)

// searchFlags open a folder for the names in it.
const searchFlags = dirFlags

func modified(st *unix.Stat_t) int64 { return st.Mtim.Nano() }

func renameNew(fromDir int, from string, toDir int, to string) error {
	return unix.RenameatxNp(fromDir, from, toDir, to, unix.RENAME_EXCL)
}

// clone is not there for open files.
func clone(_, _ *os.File) error { return unix.ENOTSUP }
