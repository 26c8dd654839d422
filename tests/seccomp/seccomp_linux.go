package seccomp

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Fail has a system call fail from now on in this process, in all of its threads, and in what they start.
func Fail(call uint32, errno syscall.Errno) error {
	_, err := filter(call, unix.SECCOMP_RET_ERRNO|uint32(errno), unix.SECCOMP_FILTER_FLAG_TSYNC)
	return err
}

// Listen has the kernel ask the returned file at each use of a system call by this thread, which the caller has
// locked to its goroutine, and by what it starts.
func Listen(call uint32) (listener int, err error) {
	return filter(call, unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
}

// filter has the kernel act at a system call; all others are as they were.
func filter(call, act uint32, flags uintptr) (result int, err error) {
	runtime.LockOSThread() // both calls are of one thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("no new privileges: %w", err)
	}
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: act},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno != 0:
		return 0, fmt.Errorf("seccomp: %w", errno)
	case flags == unix.SECCOMP_FILTER_FLAG_TSYNC && r != 0:
		return 0, fmt.Errorf("seccomp: the thread %d has a filter of its own", r)
	}
	return int(r), nil
}
