// Package intime collects results within a time limit while a user waits.
package intime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Limits limit the duration of a search.
type Limits struct {
	// Processor limits the processor time of this process, so that waiting for a busy
	// processor does not count.
	Processor time.Duration
	// Clock limits the elapsed time, for a file system or program that does not respond.
	Clock time.Duration
}

// look is the interval between checks of the limits.
const look = 2 * time.Millisecond

// Collect returns the items that find sends within the limits. If find takes longer, it
// keeps running, may block in send forever, and ends with the process. So it must not
// hold locks or other shared resources.
func Collect[T any](limits Limits, find func(send func(T))) []T {
	items := make(chan T, 64)
	go func() {
		defer close(items)
		find(func(item T) { items <- item })
	}()
	var found []T
	for over := limits.over(); ; {
		select {
		case item, ok := <-items:
			if !ok {
				return found
			}
			found = append(found, item)
		case <-over:
			return found
		}
	}
}

// Within returns the result of a function if it is there within the limit. If the function takes
// longer, it goes on, and ends with the process at the latest. So it must not hold locks or other
// shared resources.
func Within[T any](limit time.Duration, f func() T) (result T, ok bool) {
	done := make(chan T, 1) // with room, so that a late result is not stuck
	go func() { done <- f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case result = <-done:
		return result, true
	case <-timer.C:
		return result, false
	}
}

// over returns a channel that is closed when the limits are exceeded from now on.
func (l Limits) over() <-chan struct{} {
	over := make(chan struct{})
	began, used := time.Now(), processorTime()
	go func() {
		defer close(over)
		for time.Since(began) < l.Clock && processorTime()-used < l.Processor {
			time.Sleep(look)
		}
	}()
	return over
}

// processorTime returns the processor time used by all threads of this process, 0 if
// unknown.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
