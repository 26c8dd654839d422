package index

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxBatch bounds the tasks that are handed to a processor at once, batchText the
	// bytes of their records: they are in memory until then.
	maxBatch  = 4096
	batchText = 3 << 20
	// mergeRunsFrom is from how many tables of grams on, in memory or of one level, they
	// become one in a file.
	mergeRunsFrom = 32
)

// A writer makes the next generation. What it has written is nothing until publish.
type writer struct {
	dir     string // the folder of the index
	tmp     string // the folder of the generation, under a name of its own
	next    int    // its number
	limit   int64
	release func() error
	locked  bool // nobody else is writing

	segments []segmentInfo
	count    int // of files, for their names
}

// errOther says that another process is writing.
var errOther = errors.New("another process is writing the index")

// newWriter begins a generation. The error is errOther when it is another process's turn;
// on file systems without locks that is found out when the generation gets its name.
func newWriter(dir string, limit int64) (w *writer, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	release, locked, err := tryLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	w = &writer{dir: dir, limit: limit, release: release, next: 1}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.abandon())
		}
	}()
	w.locked = locked
	if err := w.removeOld(); err != nil {
		return w, err
	}
	n, err := newest(dir)
	if err == nil {
		w.next = n + 1
	} else if !errors.Is(err, errUnusable) {
		return w, err
	}
	w.tmp, err = os.MkdirTemp(dir, newPrefix)
	return w, err
}

// tryLock takes the turn; locked is false on file systems without locks.
func tryLock(path string) (release func() error, locked bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, errors.Join(errOther, f.Close())
	}
	return f.Close, err == nil, nil
}

// restAge is from how long after its last file on a folder is taken for a killed writer's
// where there are no locks. A writer adds one each second or so.
const restAge = time.Hour

// removeOld removes what is older than the newest generation, and what writers that
// were killed have left.
func (w *writer) removeOld() error {
	most, err := newest(w.dir)
	if err != nil && !errors.Is(err, errUnusable) {
		return err
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		n, ok := generationNumber(e.Name())
		if ok && n < most || strings.HasPrefix(e.Name(), newPrefix) && w.isRest(e) {
			errs = append(errs, os.RemoveAll(filepath.Join(w.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// isRest reports whether a folder is a killed writer's.
func (w *writer) isRest(e fs.DirEntry) bool {
	if w.locked {
		return true
	}
	info, err := e.Info()
	return err == nil && time.Since(info.ModTime()) > restAge
}

// abandon gives up what was not published, and ends the turn.
func (w *writer) abandon() error {
	var err error
	if w.tmp != "" {
		err = os.RemoveAll(w.tmp)
	}
	if w.release != nil {
		err = errors.Join(err, w.release())
		w.release = nil
	}
	return err
}

// publish has the generation take the place of the one before. The error is errOther
// when another writer was faster.
func (w *writer) publish(commit string) error {
	m := manifest{Format: format, Commit: commit, Limit: w.limit, Segments: w.segments}
	b, err := m.encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.tmp, manifestName), b, 0o600); err != nil {
		return err
	}
	err = os.Rename(w.tmp, generationPath(w.dir, w.next))
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return errOther
	} else if err != nil {
		return err
	}
	w.tmp = ""
	return w.removeOld()
}

// newPath returns where the files of a segment are to be, without what tells them apart.
func (w *writer) newPath() string {
	w.count++
	return filepath.Join(w.tmp, fmt.Sprintf("%d-%d", w.next, w.count))
}

// keep takes over a segment of an earlier generation, without some tasks.
func (w *writer) keep(s *openSegment, from string) error {
	info := s.info
	info.Deleted = nil
	if !s.deleted.IsEmpty() {
		b, err := s.deleted.ToBytes()
		if err != nil {
			return err
		}
		info.Deleted = b
	}
	for _, name := range []string{info.Name + gramsExt, info.Name + textsExt} {
		old, now := filepath.Join(from, name), filepath.Join(w.tmp, name)
		if err := os.Link(old, now); err != nil {
			if err := copyFile(old, now); err != nil { // as where there are no links
				return err
			}
		}
	}
	w.segments = append(w.segments, info)
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, in.Close(), out.Close())
}
