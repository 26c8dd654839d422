package gitstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/afero"

	"qme/internal/wholefile"
)

// createLock makes the lock file of the branch. It waits while another process has the
// lock, until ctx ends or Options.LockTimeout is over.
func (s *Store) createLock(ctx context.Context, q *queueLock, lock string) (afero.File, error) {
	deadline := time.Now().Add(s.opts.LockTimeout)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		f, err := s.fs.OpenFile(lock, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		broke, err := s.breakLock(q, lock)
		if err != nil {
			return nil, err
		}
		if broke {
			continue
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w: %s is there; if no git process is at work, remove it", ErrBusy, lock)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s to go: %w", lock, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// breakLock removes a lock that a crash has left, and reports whether it has gone.
func (s *Store) breakLock(q *queueLock, lock string) (bool, error) {
	found, err := s.readLock(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	// The file server's clock may differ from ours, so the server is asked for the time.
	now, err := q.now()
	if err != nil {
		return false, err
	}
	age := now.Sub(found.info.ModTime())
	if !s.stale(q, found.content, age) {
		return false, nil
	}
	removed, err := s.removeLock(lock, found)
	if removed {
		s.warn(fmt.Sprintf("removed %s, which a crash left %s ago", lock, age.Round(time.Second)))
	}
	return removed, err
}

// stale judges a lock. A live qme process holds the writers' queue while it has
// the lock, and we hold it now: so a lock with the commit that the last holder of
// the queue was about to write is that of a process that died. Any other is git's,
// and is given time.
func (s *Store) stale(q *queueLock, content []byte, age time.Duration) bool {
	if age >= s.opts.StaleLock {
		return true
	}
	text := string(bytes.TrimSpace(content))
	if !slices.ContainsFunc(q.stale, func(left string) bool { return strings.HasPrefix(left, text) }) {
		return false
	}
	// Without content it died before it wrote a byte, or git has this moment made the file.
	return len(content) > 0 || age > 2*time.Second
}

// A lockFile is a lock as it was found.
type lockFile struct {
	info    os.FileInfo
	content []byte
}

func (s *Store) readLock(lock string) (lockFile, error) {
	info, err := s.fs.Stat(lock)
	if err != nil {
		return lockFile{}, err
	}
	content, err := afero.ReadFile(s.fs, lock)
	return lockFile{info, content}, err
}

// is reports whether two looks found one file, with nothing written in between.
func (l lockFile) is(o lockFile) bool {
	same := l.info.Sys() == nil || os.SameFile(l.info, o.info) // a file system in memory has no inodes
	return same && l.info.ModTime().Equal(o.info.ModTime()) && bytes.Equal(l.content, o.content)
}

// brokenLock begins the names of locks that are about to be removed. They are not
// next to the branch, where git would take them for branches.
const brokenLock = "qme-broken-lock-"

// removeLock removes the lock that was found, and puts back one that was made
// since: a path can only be removed whatever it names, but a file that was moved
// aside stays the one that it is.
func (s *Store) removeLock(lock string, found lockFile) (bool, error) {
	dir, err := afero.TempDir(s.fs, s.dir, brokenLock)
	if err != nil {
		return false, err
	}
	aside := filepath.Join(dir, "lock")
	if err := s.fs.Rename(lock, aside); err != nil {
		gone := errors.Is(err, fs.ErrNotExist)
		if gone {
			err = nil
		}
		return false, errors.Join(err, s.fs.RemoveAll(dir))
	}
	now, err := s.readLock(aside)
	if err == nil && now.is(found) {
		return true, s.fs.RemoveAll(dir)
	}
	if perr := s.putBack(aside, lock); perr != nil {
		return false, errors.Join(err, fmt.Errorf("%s is now %s and could not be put back: %w", lock, aside, perr))
	}
	return false, errors.Join(err, s.fs.RemoveAll(dir))
}

// putBack gives a lock its name again, unless another has been made.
func (s *Store) putBack(aside, lock string) error {
	err := wholefile.Link(s.fs, aside, lock)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Where files cannot have two names, a lock made this very moment is replaced.
	if _, serr := s.fs.Stat(lock); !errors.Is(serr, fs.ErrNotExist) {
		return serr
	}
	return s.fs.Rename(aside, lock)
}
