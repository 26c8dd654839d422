package capture

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// An order is a message from qme to the monitor; each has one field set.
type order struct {
	Signal   int       `json:"signal,omitempty"`   // to send to the command's process group
	Continue bool      `json:"continue,omitempty"` // continue after a stop
	Terminal *settings `json:"terminal,omitempty"` // see monitor.setBack
	Warning  bool      `json:"warning,omitempty"`  // from now on SIGSTOP is not from the user
}

// settings are the settings of the user's terminal while it is raw. The zero value means
// that it is not raw.
type settings struct {
	Raw         bool
	Saved, Mine unix.Termios
}

// A report is a message from the monitor to qme; each has one field set.
type report struct {
	Started int         `json:"started,omitempty"` // pid of the command
	Refused *startError `json:"refused,omitempty"` // the command could not be started
	Stopped int         `json:"stopped,omitempty"` // the signal that stopped the command
	Resumed bool        `json:"resumed,omitempty"` // the command was continued as ordered
	Warned  bool        `json:"warned,omitempty"`  // the monitor has received a warning
	Exited  *exit       `json:"exited,omitempty"`
}

// A control is a channel to the other process, a stream of JSON values. Only one
// goroutine at a time may receive; sending is safe for concurrent use.
type control struct {
	f   *os.File
	dec *json.Decoder

	mu  sync.Mutex // guards enc
	enc *json.Encoder
}

// newControl takes ownership of one end of a socket pair.
func newControl(fd int) (*control, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("control channel: %w", err)
	}
	f := os.NewFile(uintptr(fd), "control")
	return &control{f: f, enc: json.NewEncoder(f), dec: json.NewDecoder(f)}, nil
}

// send ignores errors: it fails only if the other process has ended, which the receiver
// notices, too.
func (c *control) send(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.enc.Encode(v)
}

// receive returns a channel with the values that the other process sends. It is closed
// when that process has ended. The caller must read it as long as values may follow.
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
