package inlet

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// most is how much is moved at a time.
const most = 1 << 20

// An Inlet is a pipe that is passed on. Its methods are for one goroutine.
type Inlet struct {
	src, dst, child int    // -1 once closed
	copies          [2]int // a pipe with a copy of what is about to be moved; -1 if none is made
	ahead           int    // bytes in copies that have not been moved
	hashing         *hashing

	passed  Passed
	over    bool // nothing more passes
	held    bool
	started bool
	done    chan struct{}

	guard   Guard
	guardAt time.Time // when guard is called; zero: it was
	unguard func()
}

// Open takes over a pipe from which no other process can read. Then fd becomes null, so that the
// Inlet alone keeps the pipe open, and what is in the pipe is passed on at once. Otherwise fd stays
// the same pipe for the command, and why is Shared or Unknown, or "" if fd is no pipe.
//
// What passes is also written to keep, from one goroutine at a time, until Finish returns; nil
// keeps nothing. If Passed.SHA256 is empty in the end, keep has not got all.
func Open(fd, null int, keep io.Writer) (in *Inlet, why string) {
	if !isPipe(fd) {
		return nil, ""
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE != unix.O_RDONLY {
		return nil, Unknown
	}
	in = &Inlet{src: -1, dst: -1, child: -1, copies: [2]int{-1, -1}, hashing: newHashing(keep)}
	if !in.pipes(fd, flags&unix.O_NONBLOCK) {
		in.Close()
		return nil, Unknown
	}
	if in.src, why = soleOpening(fd, flags&unix.O_NONBLOCK); why == "" && replace(fd, null) != nil {
		why = Unknown
	}
	if why != "" {
		in.Close()
		return nil, why
	}
	// A command may look whether there is input, and do without if there is none yet.
	for in.move() == moved {
	}
	return in, ""
}

// pipes makes the pipe to the command and that for copies, as large as the pipe fd.
func (in *Inlet) pipes(fd, nonblock int) bool {
	size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return false
	}
	var to [2]int
	if unix.Pipe2(to[:], unix.O_CLOEXEC) != nil {
		return false
	}
	in.child, in.dst = to[0], to[1]
	if unix.Pipe2(in.copies[:], unix.O_CLOEXEC) != nil {
		in.copies = [2]int{-1, -1}
		return false
	}
	if nonblock != 0 && unix.SetNonblock(in.child, true) != nil {
		return false
	}
	for _, w := range []int{in.dst, in.copies[1]} {
		// Without permission for a large pipe, data passes in smaller pieces.
		_, _ = unix.FcntlInt(uintptr(w), unix.F_SETPIPE_SZ, size)
	}
	return true
}

// A state says what the next move needs.
type state int

const (
	moved  state = iota // nothing
	empty               // data
	full                // that the command reads
	ended               // it is over, with the end of the pipe
	broken              // it is over: no process reads any more
)

// move moves what is there, without waiting.
func (in *Inlet) move() state {
	size := most
	if in.copies[0] >= 0 {
		if in.ahead == 0 {
			n, err := unix.Tee(in.src, in.copies[1], most, unix.SPLICE_F_NONBLOCK)
			if n <= 0 || err != nil {
				return in.nothing(err)
			}
			in.ahead = int(n)
		}
		size = in.ahead
	}
	n, err := unix.Splice(in.src, nil, in.dst, nil, size, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	if n <= 0 || err != nil {
		return in.nothing(err)
	}
	in.passed.Size += n
	if in.copies[0] >= 0 {
		in.ahead -= int(n)
		in.hash(int(n))
	}
	return moved
}

// nothing returns the state after a call that has moved nothing.
func (in *Inlet) nothing(err error) state {
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return broken // EPIPE; another error would come again
	}
	fds := []unix.PollFd{{Fd: int32(in.src), Events: unix.POLLIN}, {Fd: int32(in.dst), Events: unix.POLLOUT}}
	if _, err := unix.Poll(fds, 0); err != nil {
		return moved // a signal
	}
	readable, writable := fds[0].Revents&unix.POLLIN != 0, fds[1].Revents&unix.POLLOUT != 0
	switch {
	case fds[1].Revents&unix.POLLERR != 0:
		return broken
	case readable && writable:
		return moved // since the call
	case readable:
		return full
	case fds[0].Revents&unix.POLLHUP != 0:
		return ended
	}
	return empty
}

// hash hashes n bytes of the copies.
func (in *Inlet) hash(n int) {
	for n > 0 {
		var b []byte
		if in.started {
			b = in.hashing.buffer()
		} else {
			b = make([]byte, min(n, chunk))
		}
		got := 0
		if b != nil {
			got, _ = read(in.copies[0], b[:min(n, len(b))])
		}
		if got <= 0 {
			in.stopHashing()
			return
		}
		n -= got
		if in.started {
			in.hashing.full <- b[:got]
		} else {
			in.hashing.add(b[:got])
		}
	}
}

// stopHashing gives up hashing for good.
func (in *Inlet) stopHashing() {
	in.hashing.finish()
	in.hashing = nil
	in.ahead = 0
	closeAll(&in.copies[0], &in.copies[1])
}

// Child returns the descriptor for the command to read from; -1 after CloseChild.
func (in *Inlet) Child() int { return in.child }

// CloseChild closes that descriptor in this process. It must follow the start of the command: as
// long as any process has it, one can still read.
func (in *Inlet) CloseChild() { closeAll(&in.child) }

// Start passes on what comes, in the background, until the pipe has ended or no process reads from
// Child any more. It also ends when the descriptor end becomes readable, which says that the
// command has ended. guard may be nil.
func (in *Inlet) Start(end int, guard Guard) {
	in.done = make(chan struct{})
	in.CloseChild()
	if in.hashing != nil {
		in.hashing.start()
	}
	in.started = true
	if in.guard, in.unguard = guard, func() {}; guard != nil {
		in.guardAt = time.Now().Add(guardAfter)
	}
	go func() {
		defer close(in.done)
		defer func() { in.unguard() }()
		for !in.over {
			in.step(end)
		}
	}()
}

// step moves what is there, or waits for something to move.
func (in *Inlet) step(end int) {
	if !in.guardAt.IsZero() && time.Now().After(in.guardAt) {
		in.guardAt = time.Time{}
		in.unguard = in.guard(in.src, in.dst)
	}
	switch in.move() {
	case empty:
		in.wait(end, unix.POLLIN, 0)
	case full:
		in.wait(end, 0, unix.POLLOUT)
	case ended:
		in.passed.Whole, in.over = true, true
		closeAll(&in.src, &in.dst) // the command sees the end
	case broken:
		in.over = true
		closeAll(&in.src, &in.dst) // the producer gets SIGPIPE
	}
}

// wait waits for events of src and dst, and notices the ends of readers and of the command.
func (in *Inlet) wait(end int, ofSrc, ofDst int16) {
	fds := []unix.PollFd{{Fd: int32(in.src), Events: ofSrc}, {Fd: int32(in.dst), Events: ofDst}, {Fd: int32(end), Events: unix.POLLIN}}
	if ofSrc == 0 {
		fds[0].Fd = -1 // it would report its end again and again
	}
	timeout := -1
	if !in.guardAt.IsZero() {
		timeout = int(max(0, time.Until(in.guardAt))/time.Millisecond) + 1
	}
	if _, err := unix.Poll(fds, timeout); err != nil {
		return // a signal
	}
	switch {
	case fds[1].Revents&unix.POLLERR != 0:
		in.over = true
		closeAll(&in.src, &in.dst)
	case fds[2].Revents != 0:
		in.over, in.held = true, true
	}
}

// Finish waits until nothing more passes, and returns what has passed. After Start, end must have
// become readable.
func (in *Inlet) Finish() Passed {
	if in.done != nil {
		<-in.done
	}
	if in.hashing != nil {
		in.hashing.finish()
		in.passed.SHA256 = in.hashing.text()
	}
	return in.passed
}

// Held returns the two ends, after Finish, if a process that has outlived the command can still
// read. Another process must continue to copy from src, which is non-blocking, to dst. Close
// closes both here.
func (in *Inlet) Held() (src, dst int, ok bool) {
	if in.held {
		_ = unix.SetNonblock(in.src, true) // cannot fail for a pipe
	}
	return in.src, in.dst, in.held
}

// Close closes all descriptors. It must not be called between Start and Finish.
func (in *Inlet) Close() {
	closeAll(&in.src, &in.dst, &in.child, &in.copies[0], &in.copies[1])
}

// closeAll closes descriptors and sets them to -1.
func closeAll(fds ...*int) {
	for _, fd := range fds {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

func read(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}
