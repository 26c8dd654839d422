package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	exchangeLock = "qme-exchange.lock"
	turnLock     = "qme-turn.lock"
	wantedLock   = "qme-wanted.lock"
)

// LockExchange makes the exchanges of this history wait for each other: one could rest
// on objects that another has fetched, and removes again. who tells those that wait who
// it is. It waits as long as ctx lets it; the error is ErrBusy then. File systems
// without locks have none here either.
func (s *Store) LockExchange(ctx context.Context, who string) (unlock func(), err error) {
	f, release, err := s.lockFile(ctx, exchangeLock)
	if err != nil {
		return nil, err
	}
	// What it says only ever explains, so errors do not count.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(who), 0)
	return sync.OnceFunc(func() {
		_ = f.Truncate(0)
		release()
	}), nil
}

// ExchangeHolder returns what the holder of LockExchange says of itself, "" when that is
// not known.
func (s *Store) ExchangeHolder() string {
	f, err := s.fs.Open(filepath.Join(s.dir, exchangeLock))
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 200))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// WantExchange says, until release, that somebody waits for LockExchange, so that an
// exchange in the background gives way.
func (s *Store) WantExchange() (release func(), err error) {
	f, err := s.fs.OpenFile(filepath.Join(s.dir, wantedLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if real, ok := f.(*os.File); ok {
		// ExchangeWanted has it for a moment only; several may want it.
		_ = unix.Flock(int(real.Fd()), unix.LOCK_SH) // where there are no locks, nobody waits
	}
	return func() {
		if real, ok := f.(*os.File); ok {
			_ = unix.Flock(int(real.Fd()), unix.LOCK_UN)
		}
		_ = f.Close()
	}, nil
}

// ExchangeWanted reports whether somebody waits.
func (s *Store) ExchangeWanted() bool {
	f, err := s.fs.Open(filepath.Join(s.dir, wantedLock))
	if err != nil {
		return false // nobody ever has
	}
	defer f.Close()
	real, ok := f.(*os.File)
	if !ok {
		return false
	}
	err = unix.Flock(int(real.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		_ = unix.Flock(int(real.Fd()), unix.LOCK_UN) // also where a process being started has it open
	}
	return errors.Is(err, unix.EWOULDBLOCK)
}

// TryTurn takes the one place in front of LockExchange for those that need not all
// have an exchange of their own. ok is false when somebody has it, who is going to
// exchange all that is there by now. release may be called more than once.
func (s *Store) TryTurn() (release func(), ok bool, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // do not wait
	_, release, err = s.lockFile(ctx, turnLock)
	if errors.Is(err, ErrBusy) {
		return nil, false, nil
	}
	return release, err == nil, err
}

// lockFile takes the lock of a file. The file is the caller's until unlock, which may be
// called more than once.
func (s *Store) lockFile(ctx context.Context, name string) (f lockedFile, unlock func(), err error) {
	file, err := s.fs.OpenFile(filepath.Join(s.dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	real, ok := file.(*os.File)
	if !ok {
		return file, func() { _ = file.Close() }, nil
	}
	if _, err := flock(ctx, real); err != nil {
		return nil, nil, fmt.Errorf("%w: another qme is exchanging tasks with a remote", err)
	}
	return file, sync.OnceFunc(func() {
		_ = unix.Flock(int(real.Fd()), unix.LOCK_UN) // also where a process being started has it open
		_ = file.Close()
	}), nil
}

// A lockedFile can say something to those that wait for it.
type lockedFile interface {
	io.WriterAt
	Truncate(size int64) error
}
