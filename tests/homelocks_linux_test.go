package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"qme/tests/seccomp"
)

// noHomeLocksVariable names a folder in which there are no file locks, as where a home is on a
// network file system and the system's temporary files are not.
const noHomeLocksVariable = "QME_TEST_NO_HOME_LOCKS"

func init() {
	dir := os.Getenv(noHomeLocksVariable)
	if dir == "" {
		return
	}
	code, err := withoutLocksIn(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withoutLocksIn executes this program anew and answers each of its flock(2) itself.
func withoutLocksIn(dir string) (code int, err error) {
	runtime.LockOSThread() // the filter is of this thread and its children
	listener, err := seccomp.Listen(unix.SYS_FLOCK)
	if err != nil {
		return 1, err
	}
	if err := os.Unsetenv(noHomeLocksVariable); err != nil {
		return 1, err
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	go func() {
		for err := error(nil); err == nil; {
			err = answerLock(listener, dir)
		}
	}()
	var ended *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
		return 1, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// answerLock answers one question of the kernel: seccomp(2), struct seccomp_notif.
func answerLock(listener int, dir string) error {
	var asked struct {
		id         uint64
		pid, flags uint32
		call, arch uint32
		ip         uint64
		args       [6]uint64
	}
	var answer struct {
		id    uint64
		value int64
		errno int32
		flags uint32
	}
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&asked))); no != 0 {
		return no
	}
	answer.id, answer.flags = asked.id, unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", asked.pid, asked.args[0]))
	if err != nil || strings.HasPrefix(file, dir+"/") {
		answer.errno, answer.flags = -int32(unix.ENOLCK), 0
	}
	_, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&answer)))
	if no != 0 && no != unix.ENOENT { // the caller is gone
		return no
	}
	return nil
}
