package capture

import (
	"bytes"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wasIgnored returns a function that reports whether a signal was ignored when this
// process started. Unlike signal.Ignored it also knows the job control signals.
func wasIgnored() func(os.Signal) bool {
	mask := ignoredMask()
	return func(sig os.Signal) bool {
		n, ok := sig.(syscall.Signal)
		return signal.Ignored(sig) || ok && mask&(1<<(uint(n)-1)) != 0
	}
}

func ignoredMask() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("\nSigIgn:\t"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	mask, err := strconv.ParseUint(string(line), 16, 64)
	if err != nil {
		return 0
	}
	return mask
}

// stopSelf stops this process as sig would, and returns when it is continued; the SIGCONT
// that did so is not delivered. With SIGTSTP it stops its whole process group, but
// continues at once if the kernel ignores that signal because no process could continue
// the group.
func stopSelf(sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer setAction(unix.SIGCONT, defaultAction)()
	if sig == unix.SIGTSTP {
		// Stop the others first, since our own stop could happen at any time in between.
		restore := setAction(sig, ignore)
		defer restore()
		_ = unix.Kill(0, sig) // always permitted for our own group
		setAction(sig, defaultAction)
	}
	// A signal to this very thread takes effect before the call returns.
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}

// die implements Die without the limit on cores. It makes the process undumpable, since a
// program that receives cores ignores that limit.
func die(sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	setAction(sig, defaultAction)
	set := unix.Sigset_t{}
	bit := uint(sig - 1)
	set.Val[bit/bitsOfSet] |= 1 << (bit % bitsOfSet)
	_ = unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil)
	// A signal to this very thread takes effect before the call returns.
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}

const bitsOfSet = uint(8 * unsafe.Sizeof(unix.Sigset_t{}.Val[0]))

// signalGroup sends a signal to all other processes of our process group.
func signalGroup(sig syscall.Signal) {
	defer setAction(sig, ignore)()
	_ = unix.Kill(0, sig) // always permitted for our own group
}

// A sigaction is the kernel's struct sigaction. It begins with the handler; the rest
// depends on the architecture.
type sigaction [32]uintptr

// The actions other than handlers.
var (
	defaultAction = sigaction{0}
	ignore        = sigaction{1}
)

// actionOf returns the action of a signal.
func actionOf(sig syscall.Signal) (act sigaction) {
	rtSigaction(sig, nil, &act)
	return act
}

// setAction sets the action of a signal and returns a function that restores it. It
// bypasses os/signal, which cannot restore the default of a stop signal.
func setAction(sig syscall.Signal, act sigaction) (restore func()) {
	var old sigaction
	rtSigaction(sig, &act, &old)
	return func() { rtSigaction(sig, &old, nil) }
}

func rtSigaction(sig syscall.Signal, act, old *sigaction) {
	const setSize = 8 // bytes in a signal set
	// Only a wrong argument can cause an error.
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(act)),
		uintptr(unsafe.Pointer(old)), setSize, 0, 0)
}
