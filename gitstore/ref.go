package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/gitformat"
	"qme/internal/wholefile"
	"qme/record"
)

// Head returns the newest commit of the history.
func (s *Store) Head() (string, error) {
	h, err := s.head()
	return h.String(), err
}

func (s *Store) head() (plumbing.Hash, error) {
	h, err := s.ref(branch)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s has no branch main: %w (\"git -C %s fsck --lost-found\" lists commits that it could be set to)",
			s.dir, record.ErrCorrupt, s.dir)
	}
	return h, err
}

// at returns the commit of branch or of homeRef, the zero hash if homeRef does not exist.
func (s *Store) at(ref string) (plumbing.Hash, error) {
	if ref == branch {
		return s.head()
	}
	h, err := s.ref(ref)
	if errors.Is(err, fs.ErrNotExist) {
		return plumbing.ZeroHash, nil
	}
	return h, err
}

// ref returns the commit that a reference names. The error is fs.ErrNotExist when there is
// no such reference.
func (s *Store) ref(name string) (plumbing.Hash, error) {
	// git moves a reference from its file into packed-refs, in this order: it
	// writes packed-refs, then removes the file. So a reference that is
	// in neither may have been moved between the two reads, and a second round finds it.
	for range 2 {
		h, err := s.looseRef(name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return h, err
		}
		h, err = s.packedRef(name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return h, err
		}
	}
	return plumbing.ZeroHash, fs.ErrNotExist
}

func (s *Store) looseRef(name string) (plumbing.Hash, error) {
	b, err := afero.ReadFile(s.fs, filepath.Join(s.dir, name))
	if err != nil {
		return plumbing.ZeroHash, err
	}
	text := strings.TrimSpace(string(b))
	if !plumbing.IsHash(text) {
		return plumbing.ZeroHash, fmt.Errorf("%s/%s holds %.50q, not a commit: %w", s.dir, name, text, record.ErrCorrupt)
	}
	return plumbing.NewHash(text), nil
}

func (s *Store) packedRef(name string) (plumbing.Hash, error) {
	b, err := afero.ReadFile(s.fs, filepath.Join(s.dir, "packed-refs"))
	if err != nil {
		return plumbing.ZeroHash, err
	}
	hash := string(gitformat.PackedRef(b, name))
	if !plumbing.IsHash(hash) {
		return plumbing.ZeroHash, fs.ErrNotExist
	}
	return plumbing.NewHash(hash), nil
}

// errMoved says that the branch is no longer where it was expected.
var errMoved = errors.New("the branch has moved")

// errUnsure says that the branch may have moved although the move is reported as
// failed, as a network file system does that loses a reply.
var errUnsure = errors.New("the branch may have moved")

// compareAndSwap moves a reference from old to next under git's own protocol: the file
// NAME.lock, made only where there is none, is written, flushed and renamed. The
// error is errMoved when the reference is not at old, ErrBusy when the lock stays
// taken, and errUnsure when it may be at next all the same; ctx ends the wait. old is the zero
// hash for a reference that does not exist. The caller holds the writers' queue.
func (s *Store) compareAndSwap(ctx context.Context, q *queueLock, ref string, old, next plumbing.Hash) (err error) {
	path := filepath.Join(s.dir, ref)
	lock := path + ".lock"
	// A crash can leave refs/heads away where git has packed all references.
	if err := s.fs.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := q.announce(next); err != nil {
		return err
	}
	f, err := s.createLock(ctx, q, lock)
	if err != nil {
		q.rollback() // the lock that is there is not ours
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
	now, err := s.at(ref)
	if err != nil {
		return err
	}
	if now == next {
		// The process that broke our lock, or whose lock we broke, has renamed it.
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
	s.forget(q, ref)
	if s.opts.NoSync {
		return nil
	}
	// The branch has moved even if this flush fails; but a power cut might still undo it,
	// so a caller that keeps the record elsewhere should go on doing so.
	if serr := wholefile.FlushFolder(s.fs, filepath.Dir(path)); serr != nil {
		mine = false
		return fmt.Errorf("%w: it could not be flushed to disk: %w", errUnsure, serr)
	}
	return nil
}

// forget ends the note of a holder that has moved a reference. Of earlier holders it keeps what tells
// a lock on the other reference that one of them has left.
func (s *Store) forget(q *queueLock, moved string) {
	other := branch
	if moved == branch {
		other = homeRef
	}
	if len(q.stale) > 0 {
		if _, err := s.fs.Stat(filepath.Join(s.dir, other) + ".lock"); !errors.Is(err, fs.ErrNotExist) {
			q.rollback()
			return
		}
	}
	q.clear()
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

func (s *Store) warn(msg string) {
	if s.opts.Warn != nil {
		s.opts.Warn(msg)
	}
}
