package capture

import (
	"golang.org/x/sys/unix"
)

// If this process is killed while standard input passes through it, the command would see the end
// of an input that goes on, and take the part for the whole. So a guard, another process, holds
// both pipes. It does nothing until this process is gone, and then goes on as a relay.

// guardLine is the descriptor on which a guard learns how this process ends.
const guardLine = 5

// guardInput starts a guard and returns what lets it go. Without one the input passes all the same.
func (e *execution) guardInput(src, dst int) (unguard func()) {
	r, w, err := pipe()
	if err != nil {
		return func() {}
	}
	defer unix.Close(r)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = startHelper(guardName, null, []int{src, dst, r})
		unix.Close(null)
	}
	if err != nil {
		unix.Close(w)
		return func() {}
	}
	return func() {
		_ = writeAll(w, []byte{0}) // a guard that was killed needs no word
		unix.Close(w)
	}
}

// guardMain runs a guard. While this process lives, so do the pipes: the guard ends at once when
// it is let go.
func guardMain() int {
	unix.CloseOnExec(guardLine)
	if n, err := readFD(guardLine, make([]byte, 1)); n != 0 || err != nil {
		return 0
	}
	unix.Close(guardLine)
	if unix.SetNonblock(3, true) != nil {
		return 1
	}
	return relay(1)
}
