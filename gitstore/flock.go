package gitstore

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// flock takes an exclusive lock on f, and closes f when it cannot have it in
// time: then the error is ErrBusy. The kernel serves those that wait in the order
// in which they came. On file systems without such locks it returns at once, and
// held is false: git's lock on the branch is enough.
func flock(ctx context.Context, f *os.File) (held bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err == nil, nil
	}
	locked := make(chan bool, 1)
	go func() {
		for {
			err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			locked <- err == nil
			return
		}
	}()
	select {
	case held := <-locked:
		return held, nil
	case <-ctx.Done():
		go func() {
			<-locked // it came too late
			_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
			_ = f.Close()
		}()
		return false, ErrBusy
	}
}
