package trace

import (
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A keeping sees to it that a Tracer has a keeper. It is for several goroutines.
type keeping struct {
	memory *os.File

	mu       sync.Mutex
	now      *keeperProcess
	listener int // -1 until there is one
	left     bool
	started  int
}

// A keeperProcess is a keeper as its Tracer sees it.
type keeperProcess struct {
	pid    int
	socket *os.File
}

// mostKeepers is how many keepers are started for a Tracer: what kills them may kill all.
const mostKeepers = 10

// startKeeping starts a keeper with the memory that it shares with the Tracer.
func startKeeping(memory *os.File) (*keeping, error) {
	k := &keeping{memory: memory, listener: -1}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k, k.start()
}

// start starts a keeper in the place of the one before. The caller holds mu.
func (k *keeping) start() error {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(ends[0]), "keeper")
	defer theirs.Close()
	p := &keeperProcess{socket: os.NewFile(uintptr(ends[1]), "keeper")}
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{keeperName}, Dir: "/", Env: []string{},
		ExtraFiles: []*os.File{theirs, k.memory}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		_ = p.socket.Close() // it was not used
		return err
	}
	if k.now != nil {
		_ = k.now.socket.Close() // the keeper before is gone
	}
	p.pid = cmd.Process.Pid
	k.now = p
	k.started++
	if k.listener >= 0 {
		_ = p.give(k.listener) // it has been killed already: see replace
	}
	go func() {
		_ = cmd.Wait() // how it ended does not matter
		k.replace(p)
	}()
	return nil
}

// replace starts another keeper if one has ended before its time. Without one the Tracer goes on.
func (k *keeping) replace(p *keeperProcess) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.left && k.now == p && k.started < mostKeepers {
		_ = k.start()
	}
}

// give gives the listener to the keeper.
func (k *keeping) give(listener int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listener = listener
	if k.now.give(listener) != nil && k.started < mostKeepers { // it was killed
		_ = k.start()
	}
}

// leave has the keeper let all further calls go. If it was killed, and a process still has the filter,
// another takes its place.
func (k *keeping) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = true
	gone := events(int(k.now.socket.Fd()), 0) != 0 // its end of the socket was closed
	if !gone {
		_ = unix.Kill(k.now.pid, unix.SIGCONT) // it may have been stopped, or have just ended
	}
	if gone && k.listener >= 0 && events(k.listener, 0)&unix.POLLHUP == 0 {
		_ = k.start() // nothing else can be done for these processes
	}
	_ = k.now.socket.Close() // this is the word that the Tracer has ended
}

// pid returns the process number of the keeper.
func (k *keeping) pid() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now.pid
}

// give sends the listener to the process.
func (p *keeperProcess) give(listener int) error {
	return unix.Sendmsg(int(p.socket.Fd()), []byte{0}, unix.UnixRights(listener), nil, unix.MSG_NOSIGNAL)
}
