package remote

import (
	"bufio"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// grace is how long a service that has nothing more to do may take to end.
const grace = 5 * time.Second

// A streamLink talks to a service over a pair of pipes: those of a program, or of a
// channel of ssh.
type streamLink struct {
	remote *Remote
	in     io.WriteCloser
	out    io.Closer
	lines  *bufio.Reader // of out
	stderr *lineWriter
	peer   peer

	asked bool
	sent  func() error
	done  sync.Once
	exit  error
}

// A peer is the other end of the pipes.
type peer interface {
	// kill makes an end of it, from any goroutine, at any time.
	kill()
	// wait waits for the end. It is called once.
	wait() error
	// blame returns the kind of failure of an exit, and may give a hint.
	blame(exit error) (hint string, kind error)
}

func newStreamLink(r *Remote, in io.WriteCloser, out io.ReadCloser, stderr *lineWriter, p peer) *streamLink {
	return &streamLink{remote: r, in: in, out: out, lines: bufio.NewReaderSize(out, 64<<10), stderr: stderr, peer: p}
}

func (l *streamLink) greeting() *bufio.Reader { return l.lines }

func (l *streamLink) ready() { l.stderr.release() }

func (l *streamLink) ask(write func(io.Writer) error) *answer {
	l.asked = true
	done := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(l.in, 64<<10)
		err := write(w)
		if err == nil {
			err = w.Flush()
		}
		done <- errors.Join(err, l.in.Close())
	}()
	l.sent = sync.OnceValue(func() error { return <-done })
	return &answer{Reader: l.lines, sent: l.sent}
}

func (l *streamLink) abort() {
	l.peer.kill()
	// What still holds the other ends, such as a hook, is not waited for.
	_ = l.in.Close()
	_ = l.out.Close()
}

// end waits until the peer has ended, and sees to it that it does.
func (l *streamLink) end() {
	l.done.Do(func() {
		timer := time.AfterFunc(grace, l.abort)
		defer timer.Stop()
		l.exit = l.peer.wait()
		if l.sent != nil {
			_ = l.in.Close()
			_ = l.sent()
		}
	})
}

func (l *streamLink) close() {
	if !l.asked {
		// The service takes this for "nothing", and ends without a complaint. One
		// that has ended already does not need it.
		_, _ = io.WriteString(l.in, "0000")
	}
	_ = l.in.Close()
	_ = l.out.Close()
	l.end()
	l.stderr.flush()
}

func (l *streamLink) explain(err error) error {
	if !ended(err) {
		l.abort()
		l.end()
		return nil
	}
	_ = l.in.Close()
	l.end()
	hint, kind := l.peer.blame(l.exit)
	if text := l.stderr.text(); text != "" {
		return l.remote.said(text, kind, hint)
	}
	if l.exit != nil {
		return l.remote.fail(kind, "the service ended with "+l.exit.Error(), hint).because(err)
	}
	return nil
}

// ended says whether err is that of a pipe whose other end is gone.
func ended(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, os.ErrClosed, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
