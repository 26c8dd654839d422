package capture

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// An order goes from qme to the monitor; each has one field set.
type order struct {
	Signal   int       `json:"signal,omitempty"`   // to the command's process group
	Continue bool      `json:"continue,omitempty"` // after a stop
	Terminal *settings `json:"terminal,omitempty"` // see monitor.setBack
}

// settings are those of the user's terminal while it is raw. The zero value says
// that it is not.
type settings struct {
	Raw         bool
	Saved, Mine unix.Termios
}

// A report goes from the monitor to qme; each has one field set.
type report struct {
	Started int         `json:"started,omitempty"` // pid of the command
	Refused *startError `json:"refused,omitempty"` // it could not be started
	Stopped int         `json:"stopped,omitempty"` // by this signal
	Resumed bool        `json:"resumed,omitempty"` // as it was ordered to
	Exited  *exit       `json:"exited,omitempty"`
}

// A channel to the other process: JSON values, one after the other. One goroutine at a
// time may receive, any may send.
type control struct {
	f   *os.File
	dec *json.Decoder

	mu  sync.Mutex // guards enc
	enc *json.Encoder
}

// newControl takes over one end of a socket pair.
func newControl(fd int) (*control, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("control channel: %w", err)
	}
	f := os.NewFile(uintptr(fd), "control")
	return &control{f: f, enc: json.NewEncoder(f), dec: json.NewDecoder(f)}, nil
}

// send returns no error: it fails only when the other side has ended, which the receiver
// notices too.
func (c *control) send(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.enc.Encode(v)
}

// receive delivers the values of type T that the other side sends. The channel is closed
// when that has ended; until then it is to be read as long as there may be something.
func receive[T any](c *control) <-chan T {
	values := make(chan T)
	go func() {
		defer close(values)
		for {
			var v T
			if c.dec.Decode(&v) != nil {
				return
			}
			values <- v
		}
	}()
	return values
}

func socketpair() (a, b int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("make a control channel: %w", err)
	}
	unix.CloseOnExec(p[0])
	unix.CloseOnExec(p[1])
	return p[0], p[1], nil
}
