package gitstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/odb"
	"qme/record"
)

// Head returns the newest commit of the history.
func (s *Store) Head() (plumbing.Hash, error) {
	// git moves a reference from its file into packed-refs, in this order: it
	// writes packed-refs, then removes the file. So what is in neither may have
	// been moved between the two looks, and a second round finds it.
	for range 2 {
		h, err := s.looseRef()
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return h, err
		}
		h, err = s.packedRef()
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return h, err
		}
	}
	return plumbing.ZeroHash, fmt.Errorf("%s has no branch main: %w (\"git -C %s fsck --lost-found\" lists commits that it could be set to)",
		s.dir, record.ErrCorrupt, s.dir)
}

func (s *Store) looseRef() (plumbing.Hash, error) {
	b, err := afero.ReadFile(s.fs, filepath.Join(s.dir, branch))
	if err != nil {
		return plumbing.ZeroHash, err
	}
	text := strings.TrimSpace(string(b))
	if !plumbing.IsHash(text) {
		return plumbing.ZeroHash, fmt.Errorf("%s/%s holds %.50q, not a commit: %w", s.dir, branch, text, record.ErrCorrupt)
	}
	return plumbing.NewHash(text), nil
}

func (s *Store) packedRef() (plumbing.Hash, error) {
	b, err := afero.ReadFile(s.fs, filepath.Join(s.dir, "packed-refs"))
	if err != nil {
		return plumbing.ZeroHash, err
	}
	for line := range strings.Lines(string(b)) {
		hash, name, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && name == branch && plumbing.IsHash(hash) {
			return plumbing.NewHash(hash), nil
		}
	}
	return plumbing.ZeroHash, fs.ErrNotExist
}

// errMoved says that the branch is no longer where it was expected.
var errMoved = errors.New("the branch has moved")

// errUnsure says that the branch may have moved although the move is reported as
// failed, as a network file system does that loses a reply.
var errUnsure = errors.New("the branch may have moved")

// swap moves the branch from old to next under git's own protocol: the file
// main.lock, made only where there is none, is written, flushed and renamed. The
// error is errMoved when the branch is not at old, ErrBusy when the lock stays
// taken, and errUnsure when the branch may be at next all the same. The caller
// holds the writers' queue.
func (s *Store) swap(q *queueLock, old, next plumbing.Hash) (err error) {
	path := filepath.Join(s.dir, branch)
	lock := path + ".lock"
	// A crash can leave refs/heads away where git has packed all references.
	if err := s.fs.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := q.intend(next); err != nil {
		return err
	}
	f, err := s.createLock(q, lock)
	if err != nil {
		q.done() // the lock that is there is not ours
		return err
	}
	mine := true
	defer func() {
		if err != nil && mine {
			err = errors.Join(err, s.removeIfThere(lock))
		}
	}()
	_, err = f.Write([]byte(next.String() + "\n"))
	if err == nil && !s.opts.NoSync {
		err = f.Sync()
	}
	made, serr := f.Stat()
	if err = errors.Join(err, serr, f.Close()); err != nil {
		return err
	}
	now, err := s.Head()
	if err != nil {
		return err
	}
	if now == next {
		// Whoever broke our lock, or had his broken, has renamed it.
		return fmt.Errorf("%w: another process moved it", errUnsure)
	}
	if now != old {
		return errMoved
	}
	if same, err := sameFile(s.fs, lock, made); err != nil || !same {
		return errors.Join(err, fmt.Errorf("%w: another process has removed %s", errMoved, lock))
	}
	if err = s.fs.Rename(lock, path); err != nil {
		// If it has happened after all, the lock may be another's by now.
		content, rerr := afero.ReadFile(s.fs, lock)
		mine = rerr == nil && strings.TrimSpace(string(content)) == next.String()
		return fmt.Errorf("%w: %w", errUnsure, err)
	}
	q.done()
	if s.opts.NoSync {
		return nil
	}
	// The branch has moved, whatever comes of this flush; but a power cut might
	// still undo it, so whoever keeps the record elsewhere should go on doing so.
	if serr := odb.SyncDir(s.fs, filepath.Dir(path)); serr != nil {
		mine = false
		return fmt.Errorf("%w: it could not be flushed to disk: %w", errUnsure, serr)
	}
	return nil
}

// sameFile reports whether path still names the file that info describes.
func sameFile(fsys afero.Fs, path string, info os.FileInfo) (bool, error) {
	now, err := fsys.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil || now.Sys() == nil {
		return err == nil, err // a file system in memory has no inodes
	}
	return os.SameFile(now, info), nil
}

func (s *Store) removeIfThere(path string) error {
	if err := s.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// createLock makes the lock file, waiting for whoever has it.
func (s *Store) createLock(q *queueLock, lock string) (afero.File, error) {
	deadline := time.Now().Add(s.opts.LockTimeout)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		f, err := s.fs.OpenFile(lock, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
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
		time.Sleep(wait)
	}
}

// breakLock removes a lock that a crash has left. A live qme process holds the
// writers' queue while it has the lock, and we hold it now: so a lock with the
// commit that the last holder of the queue was about to write is that of a
// process that died. Any other is git's, and is given time.
func (s *Store) breakLock(q *queueLock, lock string) (bool, error) {
	info, err := s.fs.Stat(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	content, err := afero.ReadFile(s.fs, lock)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	ours := q.leftBehind != "" && strings.HasPrefix(q.leftBehind, strings.TrimSpace(string(content)))
	if ours && len(content) == 0 {
		// It died before it wrote a byte, or git has this moment made the file.
		ours = time.Since(info.ModTime()) > 2*time.Second
	}
	if !ours && time.Since(info.ModTime()) < s.opts.StaleLock {
		return false, nil
	}
	s.warn(fmt.Sprintf("removed %s, which a crash left %s ago", lock, time.Since(info.ModTime()).Round(time.Second)))
	return true, s.removeIfThere(lock)
}

func (s *Store) warn(msg string) {
	if s.opts.Warn != nil {
		s.opts.Warn(msg)
	}
}
