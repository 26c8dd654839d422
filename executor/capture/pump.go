package capture

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A pump reads firstRead bytes at first, which is enough for most commands, and up to
// bufferSize once there is more to read. Larger buffers are not faster, since the data
// would leave the processor's cache between read and write.
const (
	firstRead  = 4 << 10
	bufferSize = 256 << 10
)

// A pump copies a stream of the command to its sink and passes it on. It blocks in
// poll(2) in a thread of its own, so that it wakes up only for data and does not need the
// Go poller.
type pump struct {
	src  int // non-blocking
	dst  int // -1: recorded only
	sink *sink
	// nl undoes the conversion of line ends by the pty; nil leaves the bytes unchanged.
	nl *newlines
	// before is called, with passing held, after a chunk has been read and before it is
	// recorded and passed on; nil: nothing is called.
	before func()
	// keepOn: continue recording if dst cannot be written. Otherwise src is closed, so
	// that the command meets a closed pipe as without qme.
	keepOn bool
	// capacity is the maximal number of bytes buffered in src: after that many, all bytes
	// written before the command's end have been read.
	capacity int
	drain    time.Duration
	end      *ending

	// passing is held while a chunk is prepared for the screen and written to it, since
	// the settings of the screen must not change meanwhile.
	passing sync.Mutex

	watchDst bool
	chunks   atomic.Int64 // number of chunks delivered
	done     chan struct{}

	mu        sync.Mutex // guards reads from src, the sink, and:
	abandoned bool
	closed    bool // src is closed
	// held: the command has ended and another process keeps src open.
	held     bool
	late     int // bytes read after the command's end
	writeErr error
}

func (p *pump) start() {
	p.done = make(chan struct{})
	p.watchDst = p.dst >= 0 && isPipe(p.dst)
	go p.run()
}

func (p *pump) run() {
	defer close(p.done)
	buf := make([]byte, firstRead)
	for {
		ended := p.end.time() // read first, since an earlier chunk does not count
		n, more, err := p.step(buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if !p.wait() {
				return
			}
		case err != nil || n == 0: // EIO: no process has the pty open
			p.flush()
			return
		case !more || p.drained(ended, n):
			return
		case n == len(buf) && n < bufferSize:
			buf = make([]byte, bufferSize)
		}
	}
}

// step copies a chunk of n bytes, and reports whether to continue reading.
func (p *pump) step(buf []byte) (n int, more bool, err error) {
	p.passing.Lock()
	defer p.passing.Unlock()
	pass, n, err := p.read(buf)
	if n <= 0 {
		return n, false, err
	}
	return n, p.pass(pass), nil
}

// read reads and records a chunk of n bytes, and returns the bytes to pass on. It returns
// 0 bytes if the pump was abandoned.
func (p *pump) read(buf []byte) (pass []byte, n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.abandoned {
		return nil, 0, nil
	}
	n, err = readFD(p.src, buf)
	if n <= 0 {
		return nil, n, err
	}
	if p.before != nil {
		p.before()
	}
	return p.record(buf[:n]), n, nil
}

func (p *pump) record(b []byte) (pass []byte) {
	if p.nl == nil {
		p.sink.write(b)
		return b
	}
	rec, pass := p.nl.split(b)
	p.sink.write(rec)
	return pass
}

// flush records a byte held back by newlines at the end of the stream.
func (p *pump) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nl != nil && !p.abandoned {
		p.sink.write(p.nl.rest())
	}
}

// pass writes b to dst, and reports whether to continue reading.
func (p *pump) pass(b []byte) bool {
	defer p.chunks.Add(1)
	if p.dst < 0 || len(b) == 0 {
		return true
	}
	if err := writeAll(p.dst, b); err != nil {
		return p.broken(err)
	}
	return true
}

func (p *pump) broken(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.abandoned {
		return false
	}
	p.writeErr = err
	p.dst, p.watchDst = -1, false
	if p.keepOn {
		return true
	}
	p.closeLocked()
	return false
}

// wait waits until there is work. It returns false if the stream must not be read any
// more.
func (p *pump) wait() bool {
	fds := []unix.PollFd{{Fd: int32(p.src), Events: unix.POLLIN}, {Fd: -1}, {Fd: -1}}
	timeout := -1
	if at := p.end.time(); at.IsZero() {
		fds[1] = unix.PollFd{Fd: int32(p.end.r), Events: unix.POLLIN}
	} else {
		left := p.drain - time.Since(at)
		if left <= 0 {
			p.hold()
			return false
		}
		timeout = int(left/time.Millisecond) + 1
	}
	if p.watchDst { // if the reader exits, close our end at once
		fds[2] = unix.PollFd{Fd: int32(p.dst)}
	}
	_, err := unix.Poll(fds, timeout)
	if err == nil && fds[2].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
		return p.broken(unix.EPIPE)
	}
	return true
}

// drained reports, after n bytes were read after the command's end, whether to stop
// reading although there is always more.
func (p *pump) drained(ended time.Time, n int) bool {
	if ended.IsZero() {
		return false
	}
	p.late += n
	if p.late < p.capacity || time.Since(ended) < p.drain {
		return false
	}
	p.hold()
	return true
}

// hold ends the pump before the end of its stream.
func (p *pump) hold() {
	p.flush()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = !p.abandoned && !p.closed
}

// abandon ends the pump even if it is blocked in a write: it records the rest of the
// stream, and the pump no longer uses sink and src after that.
func (p *pump) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.abandoned || p.closed {
		return
	}
	p.abandoned = true
	buf := make([]byte, 64<<10)
	for total := 0; total < p.capacity; {
		n, err := readFD(p.src, buf)
		if n <= 0 {
			p.held = errors.Is(err, unix.EAGAIN)
			break
		}
		p.record(buf[:n])
		total += n
	}
	if p.nl != nil {
		p.sink.write(p.nl.rest())
	}
}

// close closes src. It may be called several times.
func (p *pump) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeLocked()
}

func (p *pump) closeLocked() {
	if !p.closed {
		p.closed = true
		unix.Close(p.src)
	}
}
