package capture

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Control is an order for a command that runs.
type Control int

const (
	// Stop has all processes of the command stand still.
	Stop Control = iota + 1
	// Continue has them go on.
	Continue
)

const (
	// stopRounds bounds the looks at the process list for one stop: a process may be just starting
	// another one, which the next look finds.
	stopRounds = 20
	// stopFirst and stopLongest are the times between looks for further processes while those of
	// the command stand still. Only what is not of its tree can start them then.
	stopFirst, stopLongest = 200 * time.Millisecond, 10 * time.Second
	// stopWait bounds for how long processes are waited for that do not stop at once, such as one that
	// waits for a disk.
	stopWait = 200 * time.Millisecond
	stopPoll = 200 * time.Microsecond
)

// A steering carries out what is asked of a running command: that its processes stand still or go
// on, and that they end, for a cancel or because the command's time is up. It is for one goroutine,
// which waits for its channels and calls the methods that belong to them.
type steering struct {
	*execution
	tree *tree
	seen map[int]uint64 // see tree.living

	cancelled <-chan struct{}  // cancel
	orders    <-chan Control   // obey
	expired   <-chan time.Time // expire
	again     <-chan time.Time // hold

	left  *time.Timer   // until the command's time is up; nil: no limit
	pause time.Duration // before the next look for further processes
	// ending is closed when all processes have been ended; nil before an end is asked for.
	ending <-chan struct{}
}

func (e *execution) steer(ctx context.Context, t *tree) *steering {
	s := &steering{execution: e, tree: t, seen: map[int]uint64{}, cancelled: ctx.Done(), orders: e.Control}
	if e.Limit > 0 {
		s.left = time.NewTimer(e.Limit - time.Since(e.began))
		s.expired = s.left.C
	}
	return s
}

// cancel ends the processes of the command.
func (s *steering) cancel() {
	s.cancelled = nil
	if s.ending == nil {
		s.res.Cancelled = true
		s.end()
	}
}

// expire ends them because the time of the command is up.
func (s *steering) expire() {
	if s.ending == nil {
		s.res.TimedOut = true
		s.end()
	}
}

func (s *steering) end() {
	s.goOn()
	s.ending = endTree(s.tree, s.seen, s.KillGrace)
}

// leave is called when the command has ended. It waits until all processes that were to be ended have
// ended; those that the command has left behind go on.
func (s *steering) leave() {
	switch {
	case s.ending != nil:
		<-s.ending
	case !s.stillSince.IsZero():
		s.tree.release(s.seen)
	}
}

// obey carries out an order; ok is false if there will be no more.
func (s *steering) obey(c Control, ok bool) {
	switch {
	case !ok:
		s.orders = nil
	case s.ending != nil:
	case c == Stop && s.stillSince.IsZero():
		s.stand()
	case c == Continue && !s.stillSince.IsZero():
		s.tree.release(s.seen)
		s.goOn()
	}
}

// stand has all processes stand still, until goOn.
func (s *steering) stand() {
	s.stillSince = time.Now()
	if s.left != nil {
		s.left.Stop()
	}
	s.pause = stopFirst
	s.hold()
	s.tell(Stop)
}

func (s *steering) tell(c Control) {
	if s.OnControl != nil {
		s.OnControl(c)
	}
}

// hold stops all processes that there are, also those that another process has continued.
func (s *steering) hold() {
	s.tree.hold(s.seen)
	s.again = time.After(s.pause)
	s.pause = min(2*s.pause, stopLongest)
}

// hold stops the processes of a tree. seen is as for living.
func (t *tree) hold(seen map[int]uint64) {
	for range stopRounds {
		known := len(seen)
		stopAll(t.living(seen))
		if len(seen) == known {
			break
		}
	}
}

// release continues them. A parent that went on first would see its children stopped.
func (t *tree) release(seen map[int]uint64) {
	pids := t.living(seen)
	slices.Reverse(pids)
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGCONT)
	}
}

// stopAll stops processes, of which each comes after its parent. A parent that waits for its children
// would see them stopped if it did not stand still before: a shell would take that for a Ctrl-Z.
func stopAll(pids []int) {
	end := time.Now().Add(stopWait)
	for _, pid := range pids {
		if isStopped(pid) {
			continue
		}
		for _ = unix.Kill(pid, unix.SIGSTOP); !isStopped(pid) && time.Now().Before(end); {
			time.Sleep(stopPoll)
		}
	}
}

// goOn has the clock of the command go on. The caller continues or ends the processes.
func (s *steering) goOn() {
	if s.stillSince.IsZero() {
		return
	}
	s.res.Stopped += time.Since(s.stillSince)
	s.stillSince, s.again = time.Time{}, nil
	if s.left != nil {
		s.left.Reset(s.Limit - (time.Since(s.began) - s.res.Stopped))
	}
	s.tell(Continue)
}
