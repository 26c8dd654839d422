package capture

import "golang.org/x/sys/unix"

// oneStream reports whether writes to a and b have a common order: they are the same
// pipe, socket or terminal, or a file with a shared offset. Two pipes would lose that
// order. A file that was opened twice has two offsets, whose writes overwrite each other
// even without qme. Other devices, such as /dev/null, and output that is not passed on
// have no visible order, so the record gets two streams.
func oneStream(a, b int) bool {
	var x, y unix.Stat_t
	if a < 0 || b < 0 || unix.Fstat(a, &x) != nil || unix.Fstat(b, &y) != nil {
		return false
	}
	kind := uint32(x.Mode) & unix.S_IFMT
	if kind == unix.S_IFCHR {
		return isTerminal(a) && isTerminal(b) && sameTerminal(a, b)
	}
	if x.Dev != y.Dev || x.Ino != y.Ino {
		return false
	}
	return kind != unix.S_IFREG || samePosition(a, b)
}

// samePosition reports whether two descriptors of a file write at the same position: both
// append, or one was duplicated from the other, as by "2>&1".
func samePosition(a, b int) bool {
	x, err := unix.FcntlInt(uintptr(a), unix.F_GETFL, 0)
	if err != nil {
		return false
	}
	y, err := unix.FcntlInt(uintptr(b), unix.F_GETFL, 0)
	if err != nil || x != y {
		return false
	}
	return x&unix.O_APPEND != 0 || sameOpen(a, b)
}

// sameOffset reports whether two descriptors currently have the same offset, the best
// guess without kcmp(2).
func sameOffset(a, b int) bool {
	x, err := unix.Seek(a, 0, unix.SEEK_CUR)
	if err != nil {
		return false
	}
	y, err := unix.Seek(b, 0, unix.SEEK_CUR)
	return err == nil && x == y
}
