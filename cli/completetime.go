package cli

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// completeTime bounds how long candidates are looked for, since somebody has pressed a key
	// and waits: in processor time of this process, so that on a busy machine the wait for a
	// processor does not count. What was found by then is offered.
	completeTime = 15 * time.Millisecond
	// completeWait bounds it by the clock, where a file system or a program does not answer.
	completeWait = 400 * time.Millisecond
	// completeLook is how often it is looked whether the time is over.
	completeLook = 2 * time.Millisecond
)

// tooLate returns a channel that is closed when what begins now has taken too long.
func tooLate() <-chan struct{} {
	late := make(chan struct{})
	began, used := time.Now(), processorTime()
	go func() {
		defer close(late)
		for time.Since(began) < completeWait && processorTime()-used < completeTime {
			time.Sleep(completeLook)
		}
	}()
	return late
}

// processorTime is what this process has used, in all its threads; 0 where that cannot be told.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
