package queue

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/lockfile"
	"qme/internal/procfs"
	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

const (
	hireTime  = 3 * time.Second // how long a worker waits for one that has just begun, or is about to end
	hirePause = 10 * time.Millisecond
)

// A post is that of the one worker of a place.
type post struct {
	lock *lockfile.File
	bell *bell
}

// hire returns the post of the worker of this place, or nil if another process has it and listens.
func (q *Queue) hire(ctx context.Context) (*post, error) {
	if err := os.MkdirAll(q.file(workerFolder), 0o700); err != nil {
		return nil, err
	}
	disk, here := regular.NewFS(), q.Here()
	for until := time.Now().Add(hireTime); ; {
		f, err := lockfile.Open(disk, q.workerFile(here, lockSuffix), lockfile.Exclusive)
		if err != nil && !errors.Is(err, lockfile.ErrHeld) {
			return nil, err
		}
		if err == nil {
			if q.options.noLocks {
				f.Locked, err = false, lockfile.Unlock(f)
			}
			b, herr := q.hang(here, f.Locked)
			if b != nil {
				sign(f)
				return &post{f, b}, nil
			}
			if err = errors.Join(err, herr, f.Close()); err != nil {
				return nil, err
			}
		}
		if call(q.workerFile(here, wakeSuffix), nil) || time.Now().After(until) {
			return nil, nil
		}
		if !pause(ctx, hirePause) {
			return nil, ctx.Err()
		}
	}
}

// sign writes the number of this process into the file of a worker, for standingStill.
func sign(f *lockfile.File) {
	if f.Truncate(0) == nil { // on a full disk it is not known
		_, _ = f.WriteString(strconv.Itoa(os.Getpid()))
	}
}

// standingStill returns the process of the worker of a place of this machine if that is at work, and a signal has stopped
// it; 0 otherwise.
func (q *Queue) standingStill(p Place) int {
	b, err := regular.ReadHere(q.workerFile(p, lockSuffix))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		return 0
	}
	if s, ok := new(procfs.Reader).Stat(pid); !ok || s.State != 'T' || !q.working(p) {
		return 0
	}
	return pid
}

// hang makes the FIFO of a worker, which says to all that it works: nothing reads from it once its process has ended. On
// a file system without locks the result is nil if another worker has one.
func (q *Queue) hang(here Place, locked bool) (*bell, error) {
	path := q.workerFile(here, wakeSuffix)
	if !locked {
		mark := q.workerFile(here, hireSuffix)
		f, err := os.OpenFile(mark, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			if older(mark, brokenAge) { // its process was killed
				err = os.Remove(mark)
			}
			if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return nil, err
		} else if err != nil {
			return nil, err
		}
		defer func() { _ = os.Remove(mark) }() // otherwise it is left over, see above
		if err := f.Close(); err != nil || q.working(here) {
			return nil, err
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.Remove(q.workerFile(here, idleSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return &bell{path: path}, nil // there are none here: the worker looks more often
	}
	// For reading and writing, so that the open does not wait and reads do not end with a writer.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &bell{path, f}, nil
}

// close gives the post up.
func (p *post) close() error {
	err := p.bell.close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return errors.Join(err, p.lock.Close())
}

// mostAwaited is how many tasks the file of writeIdle names.
const mostAwaited = 1000

// writeIdle notes for which tasks others wait when a worker ends. With too many it notes nothing, and the end of each run
// starts a worker that looks.
func (q *Queue) writeIdle(here Place, ids []record.ID) error {
	if len(ids) > mostAwaited {
		return nil
	}
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(string(id) + "\n")
	}
	return wholefile.Replace(regular.NewFS(), q.workerFile(here, idleSuffix), []byte(text.String()))
}
