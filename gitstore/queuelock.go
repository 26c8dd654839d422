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
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/internal/lockfile"
)

// A queueLock is the turn of a writer: a lock on the file qme.lock that ends with the
// process. Writers exclude each other by git's lock on the branch; the queue spares them
// building trees in vain, and tells a lock that a dead process left from one in use.
type queueLock struct {
	s     *Store
	file  *lockfile.File
	stale []string // the commits that holders that died were about to write, newest first
	note  string   // that this holder has written
}

// maxStale bounds how many holders that died in a row are remembered: their notes must fit
// into the bytes that are read.
const maxStale = 3

// lockQueue waits for its turn, for Options.LockTimeout at most.
func (s *Store) lockQueue(ctx context.Context) (*queueLock, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.LockTimeout)
	defer cancel()
	select {
	case s.queue <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w by another writer of this process", ErrBusy)
	}
	q, err := s.openQueue(ctx)
	if err != nil {
		<-s.queue
	}
	return q, err
}

func (s *Store) openQueue(ctx context.Context) (*queueLock, error) {
	const name = "qme.lock"
	f, err := s.waitLock(ctx, name, lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, fmt.Errorf("%w: another qme has held %s for %s", ErrBusy, filepath.Join(s.dir, name), s.opts.LockTimeout.Round(time.Millisecond))
	}
	if err != nil {
		return nil, err
	}
	q := &queueLock{s: s, file: f}
	b, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	// Else the note may be that of a process at work: file systems have such locks
	// for all machines, for each machine alone, or not at all.
	if note := strings.Fields(string(b)); f.Locked && len(note) > 1 && note[1] == bootID() {
		q.stale = append(note[:1:1], note[2:]...)
	}
	return q, nil
}

// announce notes the commit that is about to be written to the branch.
func (q *queueLock) announce(h plumbing.Hash) error {
	// The lock that an earlier holder left stays known until it is gone: this one may
	// die before it has removed it.
	words := []string{h.String(), bootID()}
	for _, older := range q.stale[:min(len(q.stale), maxStale)] {
		if older != words[0] {
			words = append(words, older)
		}
	}
	q.note = strings.Join(words, " ") + "\n"
	_, err := q.file.WriteAt([]byte(q.note), 0)
	return err
}

// now returns the time by the clock that dates the files of the history, which is a
// file server's where they are on one. It is for a holder that has called announce.
func (q *queueLock) now() (time.Time, error) {
	if _, err := q.file.WriteAt([]byte(q.note), 0); err != nil {
		return time.Time{}, err
	}
	info, err := q.file.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// bootID names this machine since it was started.
var bootID = sync.OnceValue(func() string {
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		return strings.TrimSpace(string(b))
	}
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
})

// rollback withdraws the note of a holder that could not begin, and restores those of
// earlier ones.
func (q *queueLock) rollback() {
	q.clear()
	if len(q.stale) > 0 {
		words := append([]string{q.stale[0], bootID()}, q.stale[1:]...)
		_, _ = q.file.WriteAt([]byte(strings.Join(words, " ")+"\n"), 0)
	}
}

// clear removes the note. It only ever speeds up a repair, so errors do not count.
func (q *queueLock) clear() { _ = q.file.Truncate(0) }

// unlock ends the turn. It keeps the note of a compareAndSwap that failed: the next
// holder compares it with the lock file that it finds.
func (q *queueLock) unlock() {
	_ = q.file.Close() // nothing that matters was written
	<-q.s.queue
}
