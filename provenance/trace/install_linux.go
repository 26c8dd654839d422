package trace

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Install installs the filter in this thread, which the caller must have locked, and sends the
// listener over socket, the descriptor of Tracer.Stage. The program that the thread executes then
// is traced. After an error it is not, which the Tracer learns by the end of the socket.
//
// With CAP_SYS_ADMIN the thread may still gain privileges, so that sudo works; otherwise the
// kernel asks for no_new_privs.
func Install(socket int) error {
	runtime.LockOSThread()
	listener, err := listen()
	if errors.Is(err, unix.EBUSY) {
		return joined(socket)
	}
	if err != nil {
		return errors.Join(err, unix.Sendto(socket, []byte(err.Error()), unix.MSG_NOSIGNAL, nil))
	}
	defer unix.Close(listener)
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(listener), nil, unix.MSG_NOSIGNAL); err != nil {
		return err
	}
	return wordFrom(socket)
}

// busy is the message of a stage to whose calls somebody listens already.
const busy = "busy"

// joined waits until the Tracer around this one has been asked to trace this process, or cannot be.
func joined(socket int) error {
	if err := unix.Sendto(socket, []byte(busy), unix.MSG_NOSIGNAL, nil); err != nil {
		return err
	}
	return wordFrom(socket)
}

// wordFrom waits for a word of the Tracer. If there is none, qme was killed, and the command is not to
// start: nobody would answer its calls.
func wordFrom(socket int) error {
	for {
		_, err := unix.Read(socket, make([]byte, 1))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// listen installs the filter and returns its listener.
func listen() (int, error) {
	const waitKillable = unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV // Linux 5.19
	program := filter()
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | waitKillable, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER} {
		fd, errno := install(program, flags)
		if errno == unix.EACCES { // without CAP_SYS_ADMIN
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				return -1, fmt.Errorf("%w: no_new_privs: %w", ErrUnsupported, err)
			}
			fd, errno = install(program, flags)
		}
		switch errno {
		case 0:
			return fd, nil
		case unix.EINVAL:
			continue
		case unix.EBUSY:
			return -1, errno
		}
		return -1, fmt.Errorf("%w: seccomp: %w", ErrUnsupported, errno)
	}
	return -1, fmt.Errorf("%w: the kernel is older than 5.0, or forbids it", ErrUnsupported)
}

func install(program []unix.SockFilter, flags uintptr) (int, unix.Errno) {
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(program)
	return int(fd), errno
}

// KeepsPrivileges reports whether a traced command can still gain privileges, as by sudo: this process
// has CAP_SYS_ADMIN.
func KeepsPrivileges() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&head, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
