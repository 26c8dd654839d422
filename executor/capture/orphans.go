package capture

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ours are the pids of children with a watch.
var ours sync.Map

// orphanPoll is the interval at which the first process of a container checks for dead
// orphans. Other children of this process are reaped by the code that started them before
// they are seen twice.
const orphanPoll = 100 * time.Millisecond

// reapOrphans reaps orphans, which become children of the first process of a container,
// until stop is called. In other processes it does nothing.
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

// reapSeen reaps the dead children in before, and returns the other dead children.
func reapSeen(before map[int]uint64) map[int]uint64 {
	procs, err := processes()
	if err != nil {
		return nil // without /proc they cannot be reaped
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
