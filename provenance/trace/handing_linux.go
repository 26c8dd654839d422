package trace

import "golang.org/x/sys/unix"

// A handing decides whether an answer hands the processor over to the process that gets it (Linux 6.6;
// older kernels refuse, and are slower). That is faster while one process works at a time, and slower
// while several do, as they then wait for each other. Which of the two it is can be told by how often
// the calls change between threads: a process makes many calls in a row if it is the only one.
type handing struct {
	on      bool
	last    uint32 // the thread of the last call
	calls   int    // in the window
	changes int    // how many of them are by another thread than the call before
}

const (
	handingWindow = 256 // calls
	handingMost   = 32  // changes
)

// saw takes note of a call, and reports whether on has changed.
func (h *handing) saw(tid uint32) bool {
	if h.calls++; tid != h.last {
		h.last = tid
		h.changes++
	}
	if h.calls < handingWindow {
		return false
	}
	was := h.on
	h.on = h.changes <= handingMost
	h.calls, h.changes = 0, 0
	return h.on != was
}

// tell has the kernel do as h says.
func (h *handing) tell(listener int) {
	flags := uintptr(0)
	if h.on {
		flags = unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
	}
	// Before Linux 6.6 this fails, and calls take longer.
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags)
}
