package capture

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ours are the children that a watch waits for, by number.
var ours sync.Map

// orphanPoll is how often the first process of a container looks for orphans that have
// ended. Another child of this process is reaped by the code that has started it before it is
// seen twice.
const orphanPoll = 100 * time.Millisecond

// reapOrphans reaps, until stop is called, the processes that have lost their parent and were
// given to the first process of a container. In any other process it does nothing.
func reapOrphans() (stop func()) {
	if os.Getpid() != 1 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		look := time.NewTicker(orphanPoll)
		defer look.Stop()
		seen := map[int]uint64{}
		for {
			select {
			case <-done:
				return
			case <-look.C:
				seen = reapSeen(seen)
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// reapSeen reaps the dead children that were dead before, and returns those that are now.
func reapSeen(before map[int]uint64) map[int]uint64 {
	procs, err := processes()
	if err != nil {
		return nil // without /proc they stay
	}
	now := map[int]uint64{}
	for _, p := range procs {
		if _, mine := ours.Load(p.pid); mine || !p.dead || p.ppid != os.Getpid() {
			continue
		}
		if born, ok := before[p.pid]; ok && born == p.born {
			_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil) // it may have been reaped since
			continue
		}
		now[p.pid] = p.born
	}
	return now
}
