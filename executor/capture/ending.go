package capture

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// An ending notifies all pumps of the end of the command: its read end becomes readable,
// and time returns the time of the end.
type ending struct {
	r, w int
	at   atomic.Pointer[time.Time]
}

func newEnding() (*ending, error) {
	r, w, err := pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return &ending{r: r, w: w}, nil
}

// announce announces the end of the command. It may be called several times.
func (e *ending) announce() {
	now := time.Now()
	if e.at.CompareAndSwap(nil, &now) {
		unix.Close(e.w)
		e.w = -1
	}
}

// time returns the time of the command's end, the zero time before that.
func (e *ending) time() time.Time {
	if t := e.at.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

func (e *ending) close() {
	e.announce()
	unix.Close(e.r)
}
