package capture

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// An ending tells all pumps that the command has ended: its read end becomes
// readable, and time returns when it was.
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

// announce says that the command has ended. It may be called again.
func (e *ending) announce() {
	now := time.Now()
	if e.at.CompareAndSwap(nil, &now) {
		unix.Close(e.w)
		e.w = -1
	}
}

// time returns when the command ended, the zero time before.
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
