package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/record"
)

// names lists the folders of the spool.
func (s *Spool) names() ([]string, error) {
	f, err := s.fs.Open(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	if vanished(err) {
		err = nil // the folder itself was removed meanwhile
	}
	return names, errors.Join(err, f.Close())
}

// ids lists the entries.
func (s *Spool) ids() ([]record.ID, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var ids []record.ID
	for _, name := range names {
		if id, err := record.ParseID(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Take returns the entries whose process has died, and those of other machines whose
// run has ended. They are locked for the caller, who commits or closes them; where the
// file system has no locks, others may do the same at the same time. A run that may be
// going on elsewhere is left alone: see Check.
func (s *Spool) Take() ([]*Entry, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var taken []*Entry
	var errs []error // one bad folder must not keep the others from being recovered
	for _, name := range names {
		if strings.HasPrefix(name, newPrefix) {
			if err := s.removeUnborn(filepath.Join(s.dir, name)); !vanished(err) {
				errs = append(errs, err)
			}
		}
		id, err := record.ParseID(name)
		if err != nil {
			continue
		}
		e, err := s.take(id)
		if vanished(err) {
			continue // its own process has just removed it
		} else if err != nil {
			errs = append(errs, fmt.Errorf("task %s: %w", id, err))
		} else if e != nil {
			taken = append(taken, e)
		}
	}
	return taken, errors.Join(errs...)
}

// take locks the entry of a dead process; it is nil when there is none.
func (s *Spool) take(id record.ID) (*Entry, error) {
	dir := filepath.Join(s.dir, string(id))
	f, err := s.fs.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.removeRest(dir)
	} else if errors.Is(err, syscall.ENOTDIR) {
		return nil, noFolder(dir)
	} else if err != nil {
		return nil, err
	}
	had, v, err := s.tryLock(f, lockfile.Exclusive)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// The owner may have removed the entry, and another may even have made a
	// new one, before the lock was had.
	same, err := sameFile(s.fs, f, filepath.Join(dir, lockFile))
	if v == alive || err != nil || !same || v == unknown && !s.over(dir, id) {
		return nil, errors.Join(err, unlock(f, had), f.Close())
	}
	return &Entry{s: s, fs: s.fs, dir: dir, id: id, lock: f, locked: had}, nil
}

// noFolder is the error for what is named as an entry and is none.
func noFolder(path string) error { return fmt.Errorf("%s should be a folder: move it away", path) }

// over reports whether the run of an entry has ended, so that anybody may commit it:
// it will not be a second time in the history.
func (s *Spool) over(dir string, id record.ID) bool {
	rec, err := readRecord(s.fs, dir, id)
	if err != nil || rec.Data.Status != record.Running {
		return err == nil || errors.Is(err, record.ErrNotFound)
	}
	known, err := ended(s.fs, dir, rec)
	return err == nil && known
}

// removeRest removes a folder that has neither a lock nor a record: one that was
// being removed when its process died.
func (s *Spool) removeRest(dir string) error {
	if _, err := s.fs.Stat(filepath.Join(dir, recordFile)); err == nil {
		// As a power cut or a copy of the home may leave it, or a rerun that has
		// begun meanwhile. With a lock, the next look tells these apart.
		f, err := s.fs.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
		return errors.Join(err, closeIf(f))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return clearAway(s.fs, dir, func() error { return nil })
}

func closeIf(f afero.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// unbornAge is from when on a folder without a name belongs to nobody: it gets
// one within milliseconds.
const unbornAge = time.Minute

// removeUnborn removes a folder whose process died before it had a name. No
// command had been started for it.
func (s *Spool) removeUnborn(dir string) error {
	info, err := s.fs.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if time.Since(info.ModTime()) < unbornAge {
		return nil
	}
	// The clock here may be ahead of a server's that gave the folder its time.
	if now, err := s.now(); err != nil || now.Sub(info.ModTime()) < unbornAge {
		return err
	}
	// A process that was stopped for long goes on as if nothing had been.
	if info.IsDir() {
		if v, err := s.look(dir); err != nil || v == alive {
			return err
		}
	}
	return s.fs.RemoveAll(dir)
}

// now returns the time by the clock that gives the spool's files their times, which may
// be a server's.
func (s *Spool) now() (time.Time, error) {
	f, err := afero.TempFile(s.fs, s.dir, probePrefix)
	if err != nil {
		return time.Time{}, err
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close(), s.fs.Remove(f.Name())); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// look judges the owner of a folder and leaves it as it is. A folder without a lock is
// nobody's.
func (s *Spool) look(dir string) (verdict, error) {
	f, err := s.fs.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return dead, nil
	} else if err != nil {
		return unknown, err
	}
	// Shared, so as not to get in the way of another that looks.
	had, v, err := s.tryLock(f, lockfile.Shared)
	if err != nil {
		return unknown, errors.Join(err, f.Close())
	}
	return v, errors.Join(unlock(f, had), f.Close())
}

// Running reports whether a process is recording a run of the task, or may do so on
// another machine.
func (s *Spool) Running(id record.ID) (bool, error) {
	dir := filepath.Join(s.dir, string(id))
	v, err := s.look(dir)
	return v == alive || v == unknown && err == nil && !s.over(dir, id), err
}
