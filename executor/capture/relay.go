package capture

import (
	"fmt"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// handOver hands streams that are kept open by processes outliving the command to a
// relay, so that these processes neither lose output nor die of SIGPIPE. The relay is a
// separate process and ends with them.
func (e *execution) handOver() error {
	var fds []int
	for _, p := range e.pumps {
		if !p.held {
			continue
		}
		dst := p.dst
		if dst < 0 {
			var err error
			if dst, err = e.devNull(); err != nil {
				return fmt.Errorf("start a relay: %w", err)
			}
		}
		if p.nl != nil {
			// From now on only the user's terminal converts line ends. An error would
			// mean that no process has the other end open any more.
			_ = setOPOST(p.src, false)
		}
		fds = append(fds, p.src, dst)
	}
	if e.inlet != nil {
		if src, dst, held := e.inlet.Held(); held {
			fds = append(fds, src, dst)
		}
	}
	if len(fds) == 0 {
		return nil
	}
	if err := e.startRelay(fds); err != nil {
		return fmt.Errorf("start a relay for what outlives the command: %w", err)
	}
	return nil
}

func (e *execution) startRelay(fds []int) error {
	null, err := e.devNull()
	if err != nil {
		return err
	}
	return startHelper(helperName(relayName, len(fds)/2), null, fds)
}

// startHelper starts this program in a role, with fds from descriptor 3 on and no others.
func startHelper(role string, null int, fds []int) error {
	program, err := self()
	if err != nil {
		return err
	}
	attr := &syscall.ProcAttr{
		Dir:   "/", // it must not keep a file system busy
		Env:   []string{},
		Files: onlyFiles(append([]int{null, null, null}, fds...)...),
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	pid, err := syscall.ForkExec(program, []string{role}, attr)
	if err != nil {
		return err
	}
	// Reap it if it ends before this process.
	go func() { _, _ = syscall.Wait4(pid, nil, 0, nil) }()
	return nil
}

// relayMain runs the relay: descriptors 3 and 4, 5 and 6 and so on are the pairs to copy
// from and to.
func relayMain(args []int) int {
	if len(args) != 1 {
		return 2
	}
	return relay(args[0])
}

// relay copies between pairs of descriptors from 3 on until all sources have ended.
func relay(pairs int) int {
	signal.Ignore(unix.SIGHUP) // the relay has no terminal, and ends by SIGTERM
	end, err := newEnding()
	if err != nil {
		return 1
	}
	var copying sync.WaitGroup
	for i := range pairs {
		src, dst := 3+2*i, 4+2*i
		unix.CloseOnExec(src)
		unix.CloseOnExec(dst)
		p := &pump{src: src, dst: dst, sink: &sink{}, end: end}
		p.start()
		copying.Go(func() {
			<-p.done
			p.close()
			unix.Close(dst) // a reader of it must see the end, even if others go on
		})
	}
	copying.Wait()
	return 0
}
