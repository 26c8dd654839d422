package trace

import (
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// keeperName is the name under which this program runs as the keeper.
const keeperName = "qme: keeper"

// patience is how long a call may wait for the Tracer before the keeper lets it go.
const patience = 100 * time.Millisecond

// The descriptors of a keeper.
const (
	keeperSocket = 3
	keeperMemory = 4
)

// Helper runs the keeper if this process is one, and then does not return. A program that uses New
// must call it first in main, and in TestMain.
func Helper() {
	if os.Args[0] == keeperName {
		os.Exit(keeperMain())
	}
}

// A keeper lets calls go that nobody else does.
type keeper struct {
	listener, socket int
	shared           shared
	seen             [workers]uint64 // what was pending when it looked last
	received         uint64
	waiting          bool // a call waited to be received then
}

func keeperMain() int {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
	mem, err := mapShared(keeperMemory)
	if err != nil {
		return 1
	}
	unix.Close(keeperMemory)
	listener, err := receiveListener(keeperSocket)
	if err != nil {
		return 0 // the command was not started
	}
	k := &keeper{listener: listener, socket: keeperSocket, shared: mem}
	k.watch()
	k.serve()
	return 0
}

// watch looks after the Tracer until it has ended.
func (k *keeper) watch() {
	for {
		if events(k.socket, int(patience/time.Millisecond)) != 0 {
			return // nothing is ever sent: this is the end
		}
		if k.stands() {
			k.answerPending(false)
			k.standIn()
		}
	}
}

// standIn lets calls go at once until the Tracer receives again, or has ended.
func (k *keeper) standIn() {
	for received := k.received; atomic.LoadUint64(k.shared.received()) == received; {
		fds := []unix.PollFd{{Fd: int32(k.socket), Events: unix.POLLIN}, {Fd: int32(k.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(patience/time.Millisecond)); err != nil && err != unix.EINTR {
			return
		}
		switch {
		case fds[0].Revents != 0:
			return
		case fds[1].Revents&unix.POLLIN != 0:
			k.one()
		case fds[1].Revents != 0:
			return
		}
	}
}

// stands reports whether a call has waited since the last look.
func (k *keeper) stands() bool {
	stands := false
	for i := range k.seen {
		id := k.shared.pending(i)
		stands = stands || id != 0 && id == k.seen[i]
		k.seen[i] = id
	}
	received, waiting := atomic.LoadUint64(k.shared.received()), events(k.listener, 0)&unix.POLLIN != 0
	stands = stands || waiting && k.waiting && received == k.received
	k.received, k.waiting = received, waiting
	return stands
}

// answerPending lets those calls go that the Tracer has received: all of them, or those that were
// there at the last look, too.
func (k *keeper) answerPending(all bool) {
	for i, seen := range k.seen {
		if id := k.shared.pending(i); id != 0 && (all || id == seen) {
			k.letGo(id)
		}
	}
}

func (k *keeper) letGo(id uint64) {
	if letGo(k.listener, id) == 0 {
		atomic.AddUint64(k.shared.kept(), 1)
	}
}

// serve lets calls go until no process has the filter.
func (k *keeper) serve() {
	k.answerPending(true)
	for {
		got := events(k.listener, -1)
		switch {
		case got&unix.POLLIN != 0:
			k.one()
		case got != 0:
			return
		}
	}
}

// one receives a call and lets it go. ENOENT and EINTR mean that its process has gone meanwhile.
func (k *keeper) one() {
	var n notice
	if receive(k.listener, &n) == 0 {
		k.letGo(n.id)
	}
}
