package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"qme/internal/lockfile"
)

const (
	exchangeLock = "qme-exchange.lock"
	wantedLock   = "qme-wanted.lock"
)

// LockExchange makes the exchanges of this history wait for each other: one could need
// objects that another has fetched, and removes again. holder is the text that waiting
// processes get from ExchangeHolder. It waits until ctx ends; the error is ErrBusy then. On file systems without
// locks it does nothing.
func (s *Store) LockExchange(ctx context.Context, holder string) (unlock func(), err error) {
	f, err := s.waitLock(ctx, exchangeLock, lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, fmt.Errorf("%w: another qme is exchanging tasks with a remote", ErrBusy)
	}
	if err != nil {
		return nil, err
	}
	// The text only ever explains, so errors do not count.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(holder), 0)
	return sync.OnceFunc(func() {
		_ = f.Truncate(0)
		_ = f.Close()
	}), nil
}

// ExchangeHolder returns the name that the holder of LockExchange has given, "" when it is
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

// WantExchange announces, until release, that this process waits for LockExchange, so that
// an exchange in the background gives way.
func (s *Store) WantExchange() (release func(), err error) {
	// ExchangeWanted has it for a moment only; several may want it.
	f, err := s.waitLock(context.Background(), wantedLock, lockfile.Shared)
	if err != nil {
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// ExchangeWanted reports whether a process waits.
func (s *Store) ExchangeWanted() bool {
	f, err := s.fs.Open(filepath.Join(s.dir, wantedLock))
	if err != nil {
		return false // nobody ever has
	}
	defer f.Close()
	if err = lockfile.Try(f, lockfile.Exclusive); err == nil {
		_ = lockfile.Unlock(f)
	}
	return errors.Is(err, lockfile.ErrHeld)
}

// openLock takes the lock of a file of the store, and waitLock waits for it; see lockfile.
func (s *Store) openLock(name string, kind lockfile.Kind) (*lockfile.File, error) {
	return lockfile.Open(s.fs, filepath.Join(s.dir, name), kind)
}

func (s *Store) waitLock(ctx context.Context, name string, kind lockfile.Kind) (*lockfile.File, error) {
	return lockfile.Wait(ctx, s.fs, filepath.Join(s.dir, name), kind)
}
