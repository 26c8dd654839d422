package capture

import "golang.org/x/sys/unix"

// oneStream says whether writes to a and b have one order: they are one pipe, socket or
// terminal, or one file with one position. Two pipes would mix up that order. A file that was
// opened twice has two positions, whose writes overwrite each other with qme as without. Other
// devices, such as /dev/null, show no order, nor does output that is not passed on: there the
// record has two streams.
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

// samePosition says whether two descriptors of one file write at one position: both at its
// end, or because one was made of the other, as by "2>&1".
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

// sameOffset says whether two descriptors have the same position now: without kcmp(2), no more
// can be known.
func sameOffset(a, b int) bool {
	x, err := unix.Seek(a, 0, unix.SEEK_CUR)
	if err != nil {
		return false
	}
	y, err := unix.Seek(b, 0, unix.SEEK_CUR)
	return err == nil && x == y
}
