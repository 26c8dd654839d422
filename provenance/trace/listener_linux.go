package trace

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A notice is struct seccomp_notif of seccomp_unotify(2).
type notice struct {
	id    uint64
	pid   uint32 // the thread, as this process sees it
	flags uint32
	nr    uint32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// A reply is struct seccomp_notif_resp.
type reply struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// receive takes the next notification into n, whose bytes must be zero. It waits if there is none.
func receive(listener int, n *notice) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(n)))
	return errno
}

// letGo lets a call go on. It returns ENOENT if the call waits no more: the process was killed, or
// somebody else has answered.
func letGo(listener int, id uint64) unix.Errno {
	r := reply{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
	return errno
}

// events polls a descriptor for input for some milliseconds (-1: until there is some).
func events(fd int, wait int) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, wait)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return unix.POLLERR
		case n == 0:
			return 0
		default:
			return fds[0].Revents
		}
	}
}

// workers is how many goroutines receive at the most.
const workers = 4

// The layout of the memory that a Tracer shares with its keeper.
const (
	slotSize   = 128
	sharedSize = slotSize * (workers + 1)
)

// A shared is memory of this process and its keeper. The kernel writes notifications right into
// it, so that the keeper knows each call that this process has received and not answered, at
// whatever instruction it was killed.
type shared struct{ mem []byte }

// newShared makes such memory.
func newShared() (shared, *os.File, error) {
	fd, err := unix.MemfdCreate("qme-trace", unix.MFD_CLOEXEC)
	if err != nil {
		return shared{}, nil, err
	}
	f := os.NewFile(uintptr(fd), "trace")
	err = f.Truncate(sharedSize)
	var s shared
	if err == nil {
		s, err = mapShared(fd)
	}
	if err != nil {
		return shared{}, nil, errors.Join(err, f.Close())
	}
	return s, f, nil
}

func mapShared(fd int) (shared, error) {
	mem, err := unix.Mmap(fd, 0, sharedSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return shared{mem}, err
}

func (s shared) close() { _ = unix.Munmap(s.mem) }

// slot is where worker i receives.
func (s shared) slot(i int) *notice { return (*notice)(unsafe.Pointer(&s.mem[slotSize*(i+1)])) }

// received counts the calls that this process has received, kept those that the keeper let go.
func (s shared) received() *uint64 { return (*uint64)(unsafe.Pointer(&s.mem[0])) }
func (s shared) kept() *uint64     { return (*uint64)(unsafe.Pointer(&s.mem[8])) }

// pending returns the number of a call in slot i that has been received and not answered; 0: none.
func (s shared) pending(i int) uint64 { return atomic.LoadUint64(&s.slot(i).id) }

// clear empties a slot, in an order in which it never seems to hold a call that was answered.
func (s shared) clear(i int) {
	n := s.slot(i)
	atomic.StoreUint64(&n.id, 0)
	*n = notice{}
}

// A busyError is the error of a stage that cannot have a listener, since there is one.
type busyError struct{ pid int }

// Error implements error.
func (busyError) Error() string { return busy }

// receiveListener receives the listener over a socket. The error has the text of the stage if there is
// none; it is a busyError, if the socket says who sends, and io.EOF if the other end was closed.
func receiveListener(socket int) (int, error) {
	text, oob := make([]byte, 512), make([]byte, unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, oobn, _, _, err := unix.Recvmsg(socket, text, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return -1, err
		case n == 0:
			return -1, io.EOF
		}
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			return -1, err
		}
		for _, m := range messages {
			if cred, err := unix.ParseUnixCredentials(&m); err == nil && string(text[:n]) == busy {
				return -1, busyError{int(cred.Pid)}
			}
			if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) == 1 {
				return fds[0], nil
			}
		}
		return -1, errors.New(string(text[:n]))
	}
}
