// Package intime collects what can be found while a user waits for an answer.
package intime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Limits bound how long a search goes on.
type Limits struct {
	// Processor is in processor time of this process, so that on a busy machine the wait for
	// a processor does not count.
	Processor time.Duration
	// Clock is for a file system or a program that does not answer.
	Clock time.Duration
}

// look is how often it is looked whether the time is over.
const look = 2 * time.Millisecond

// Collect returns what find sends within the limits. A find that takes longer goes on, may
// wait in send for ever, and ends with the process: it must hold nothing that others need.
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

// over returns a channel that is closed when what begins now has taken too long.
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

// processorTime is what this process has used, in all its threads; 0 where that cannot be told.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
