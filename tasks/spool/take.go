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
	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

// names returns the names of all files and folders in the spool, none if something else than a folder is in its place.
func (s *Spool) names() ([]string, error) { return regular.Names(s.fs, s.dir) }

// Misplaced returns an error if something else than a folder is in the place of the spool: no run can begin then.
func (s *Spool) Misplaced() error { return regular.NotFolder(s.fs, s.dir) }

// IDs returns the ids of all uncommitted runs, in no particular order, without reading any.
func (s *Spool) IDs() ([]record.ID, error) {
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

// Take returns the entries of dead processes, and the entries of other machines whose runs have
// ended. They are locked, and the caller must commit or close each of them. On a file system
// without locks, another process may take the same entries at the same time. Take skips runs
// that may be active on another machine; see Check. It also removes unfinished entries.
func (s *Spool) Take() ([]*Entry, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var taken []*Entry
	var errs []error // one bad folder must not prevent the recovery of others
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
			continue // the owner has just removed it
		} else if err != nil {
			errs = append(errs, fmt.Errorf("task %s: %w", id, err))
		} else if e != nil {
			taken = append(taken, e)
		}
	}
	return taken, errors.Join(errs...)
}

// take locks and returns the entry of a dead process, or nil if the process may be alive.
func (s *Spool) take(id record.ID) (*Entry, error) {
	dir := filepath.Join(s.dir, string(id))
	f, err := openIn(s.fs, dir, lockFile, os.O_RDWR)
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
	// The owner may have removed the entry before it was locked here, and another process may
	// even have created a new one.
	same, err := sameFile(s.fs, f, filepath.Join(dir, lockFile))
	if v == alive || err != nil || !same || v == unknown && !s.over(dir, id) {
		return nil, errors.Join(err, unlock(f, had), f.Close())
	}
	return &Entry{s: s, fs: s.fs, dir: dir, id: id, lock: f, locked: had}, nil
}

// noFolder returns the error for a file or a symbolic link that has the name of an entry.
func noFolder(path string) error { return fmt.Errorf("%s should be a folder: move it away", path) }

// over reports whether the run of an entry has ended. Then any process may commit it, and a
// second commit changes nothing.
func (s *Spool) over(dir string, id record.ID) bool {
	rec, err := readRecord(s.fs, dir, id)
	if err != nil || rec.Data.Status != record.Running {
		return err == nil || errors.Is(err, record.ErrNotFound)
	}
	known, err := ended(s.fs, dir, rec)
	return err == nil && known
}

// removeRest removes a folder that has neither a lock file nor a record. Its process died while
// it removed the entry.
func (s *Spool) removeRest(dir string) error {
	if _, err := s.fs.Stat(filepath.Join(dir, recordFile)); err == nil {
		// A record without a lock file is left by a power cut or a copied home, or is a rerun
		// that has just begun. Create the lock file, so that the next Take can tell these
		// apart.
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

// unbornAge is the age from which an unfinished folder counts as abandoned. A folder normally
// gets its name within milliseconds.
const unbornAge = time.Minute

// removeUnborn removes an unfinished folder whose process died. No command was started for it.
func (s *Spool) removeUnborn(dir string) error {
	info, err := lstat(s.fs, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if time.Since(info.ModTime()) < unbornAge {
		return nil
	}
	// The local clock may be ahead of the clock of the server that set the folder's time.
	if now, err := wholefile.Now(s.fs, s.dir, probePrefix); err != nil || now.Sub(info.ModTime()) < unbornAge {
		return err
	}
	// A process that was stopped for a long time may still continue.
	if info.IsDir() {
		if v, err := s.look(dir); err != nil || v == alive {
			return err
		}
	}
	return s.fs.RemoveAll(dir)
}

// look returns a verdict on the owner of a folder, without changing the folder. A folder
// without a lock file has no owner.
func (s *Spool) look(dir string) (verdict, error) {
	f, err := openIn(s.fs, dir, lockFile, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return dead, nil // Take reports a file or link that has the name of an entry
	} else if err != nil {
		return unknown, err
	}
	// Use a shared lock, so that two processes can look at the same time.
	had, v, err := s.tryLock(f, lockfile.Shared)
	if err != nil {
		return unknown, errors.Join(err, f.Close())
	}
	return v, errors.Join(unlock(f, had), f.Close())
}

// Running reports whether a process is recording a run of the task, on this machine or possibly
// on another.
func (s *Spool) Running(id record.ID) (bool, error) {
	dir := filepath.Join(s.dir, string(id))
	v, err := s.look(dir)
	return v == alive || v == unknown && err == nil && !s.over(dir, id), err
}
