// Package spool keeps the runs that have started and are not committed yet, one
// folder each, so that whatever happens to the process that records a run, the
// next one finds what had arrived. docs/format.md specifies the folder.
package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/record"
)

// newPrefix begins the name of an entry that is being made.
const newPrefix = ".new-"

// The files of an entry.
const (
	lockFile    = "lock"
	recordFile  = "record.json"
	controlFile = "control"
)

// A Spool is the folder of runs in flight. Any number of processes may use it.
type Spool struct {
	fs  afero.Fs
	dir string
}

// New returns the spool in the folder dir (usually HOME/running), which is made
// when first needed.
func New(fsys afero.Fs, dir string) *Spool { return &Spool{fs: fsys, dir: dir} }

// Dir returns the spool's folder.
func (s *Spool) Dir() string { return s.dir }

// An Entry is a run in flight that this process records, or one that it has taken
// over from a process that died. It is locked until Remove or Close.
type Entry struct {
	fs   afero.Fs
	dir  string
	id   record.ID
	lock afero.File
}

// Begin notes that a run starts. The error wraps record.ErrConflict when the task
// is running already.
func (s *Spool) Begin(rec *record.Record) (*Entry, error) {
	if err := s.fs.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	// The folder gets its name once the lock is held and the record is there, so
	// that nobody takes it for one that a crash left.
	tmp, err := afero.TempDir(s.fs, s.dir, newPrefix)
	if err != nil {
		return nil, err
	}
	e := &Entry{fs: s.fs, dir: tmp, id: rec.UID}
	if err := e.fill(rec); err != nil {
		return nil, errors.Join(err, e.Close(), s.fs.RemoveAll(tmp))
	}
	dir := filepath.Join(s.dir, string(rec.UID))
	if err := s.rename(tmp, dir); err != nil {
		err = errors.Join(err, e.Close(), s.fs.RemoveAll(tmp))
		if _, serr := s.fs.Stat(dir); serr == nil {
			return nil, fmt.Errorf("task %s is running: %w", rec.UID, record.ErrConflict)
		}
		return nil, err
	}
	e.dir = dir
	return e, nil
}

// rename is a rename that never replaces: rename(2) refuses a folder that is not
// empty, afero's file system in memory does not.
func (s *Spool) rename(from, to string) error {
	if _, ok := s.fs.(*afero.MemMapFs); ok {
		if _, err := s.fs.Stat(to); err == nil {
			return fs.ErrExist
		}
	}
	return s.fs.Rename(from, to)
}

func (e *Entry) fill(rec *record.Record) error {
	f, err := e.fs.OpenFile(filepath.Join(e.dir, lockFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	e.lock = f
	// Nobody else knows the folder yet. An error is a file system without locks,
	// and not a task that is running: the command must run all the same.
	if _, err := tryLock(f); err != nil {
		return fmt.Errorf("lock %s: %w", e.dir, err)
	}
	return e.Write(rec)
}

// ID returns the task's id.
func (e *Entry) ID() record.ID { return e.id }

// Write puts the record into the entry in place of the one that is there, all of
// it or nothing.
func (e *Entry) Write(rec *record.Record) error {
	b, err := record.Encode(rec)
	if err != nil {
		return err
	}
	path := filepath.Join(e.dir, recordFile)
	f, err := e.fs.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return e.fs.Rename(path+".new", path)
}

// Sync flushes the entry to disk, for a record that has to stay in it.
func (e *Entry) Sync() error {
	entries, err := afero.ReadDir(e.fs, e.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, info := range append(entries, nil) {
		path := e.dir
		if info != nil {
			if !info.Mode().IsRegular() {
				continue
			}
			path = filepath.Join(e.dir, info.Name())
		}
		f, err := e.fs.Open(path)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Remove deletes the entry, once its record is committed.
func (e *Entry) Remove() error {
	// The record goes first: what is left of an entry without one is of no use
	// to anybody, whenever the process ends.
	err := e.fs.Remove(filepath.Join(e.dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // the process that had the entry before was removing it
	}
	return errors.Join(err, clearAway(e.fs, e.dir, e.Close))
}

// clearAway removes a folder that holds no record. unlock is called before the last
// file goes: NFS keeps a file that is open under another name, and the folder would
// not be empty. From then on others may remove the folder too, and a rerun may put a
// new entry in its place. So the files are removed through the folder that was
// opened, whatever its path names by then, and rmdir(2) spares a folder with an entry.
func clearAway(fsys afero.Fs, dir string, unlock func() error) error {
	if _, ok := fsys.(*afero.MemMapFs); ok {
		return errors.Join(fsys.RemoveAll(dir), unlock())
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return unlock()
	} else if err != nil {
		return errors.Join(err, unlock())
	}
	defer root.Close()
	if _, err := root.Lstat(recordFile); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, unlock()) // a new entry
	}
	errs := []error{unlock()}
	names, err := fs.ReadDir(root.FS(), ".")
	errs = append(errs, err)
	for _, n := range names {
		if err := root.Remove(n.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	err = os.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		err = nil // others were faster
	}
	return errors.Join(append(errs, err)...)
}

// Close lets go of the entry. What is in it stays for the next process.
func (e *Entry) Close() error {
	if e.lock == nil {
		return nil
	}
	err := errors.Join(unlock(e.lock), e.lock.Close())
	e.lock = nil
	return err
}

// names lists the folders of the spool.
func (s *Spool) names() ([]string, error) {
	f, err := s.fs.Open(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
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

// Take returns the entries whose process has died. They are locked for the caller,
// who commits or closes them.
func (s *Spool) Take() ([]*Entry, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var taken []*Entry
	var errs []error // one bad folder must not keep the others from being recovered
	for _, name := range names {
		if strings.HasPrefix(name, newPrefix) {
			errs = append(errs, s.removeUnborn(filepath.Join(s.dir, name)))
		}
		id, err := record.ParseID(name)
		if err != nil {
			continue
		}
		e, err := s.take(id)
		if err != nil {
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
	} else if err != nil {
		return nil, err
	}
	ok, err := tryLock(f)
	if err != nil || !ok {
		return nil, errors.Join(err, f.Close())
	}
	// The owner may have removed the entry, and another may even have made a
	// new one, before the lock was had.
	if same, err := sameFile(s.fs, f, filepath.Join(dir, lockFile)); err != nil || !same {
		return nil, errors.Join(err, unlock(f), f.Close())
	}
	return &Entry{fs: s.fs, dir: dir, id: id, lock: f}, nil
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
	if errors.Is(err, fs.ErrNotExist) || err == nil && time.Since(info.ModTime()) < unbornAge {
		return nil
	} else if err != nil {
		return err
	}
	return s.fs.RemoveAll(dir)
}

// Running reports whether a process is recording a run of the task.
func (s *Spool) Running(id record.ID) (bool, error) {
	f, err := s.fs.Open(filepath.Join(s.dir, string(id), lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	ok, err := tryLockShared(f)
	if ok {
		err = unlock(f)
	}
	return !ok && err == nil, errors.Join(err, f.Close())
}

// List returns the records of the entries, with the output so far, in no order.
// Entries that vanish meanwhile are left out. The error of an entry that
// cannot be read is in its result.
func (s *Spool) List(inline int) ([]record.Result, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	var results []record.Result
	for _, id := range ids {
		rec, err := s.Get(id, inline)
		if errors.Is(err, record.ErrNotFound) {
			continue
		}
		results = append(results, record.Result{ID: id, Record: rec, Err: err})
	}
	return results, nil
}

// Get returns the record of a run in flight with its output so far. The error wraps
// record.ErrNotFound when there is none.
func (s *Spool) Get(id record.ID, inline int) (*record.Record, error) {
	dir := filepath.Join(s.dir, string(id))
	rec, err := readRecord(s.fs, dir, id)
	if err != nil || rec.Data.Status != record.Running {
		return rec, err
	}
	for _, name := range []record.StreamName{record.Stdout, record.Stderr} {
		c, err := openCapture(s.fs, dir, name)
		if err == nil {
			err = c.describe(rec, inline, false)
		}
		if err != nil {
			if _, gone := readRecord(s.fs, dir, id); errors.Is(gone, record.ErrNotFound) {
				return nil, gone // it was committed meanwhile
			}
			return nil, err
		}
	}
	// What was read of an entry that was being removed is not to be believed.
	if now, err := readRecord(s.fs, dir, id); err != nil || now.Data.Status != record.Running {
		return now, err
	}
	return rec, nil
}

func readRecord(fsys afero.Fs, dir string, id record.ID) (*record.Record, error) {
	b, err := afero.ReadFile(fsys, filepath.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("task %s is not running: %w", id, record.ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	rec, err := record.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, recordFile), err)
	}
	if rec.UID != id {
		return nil, fmt.Errorf("%s holds the record of %s: %w", dir, rec.UID, record.ErrInvalid)
	}
	return rec, nil
}

// Stream returns what has arrived of a stream of a run in flight.
func (s *Spool) Stream(id record.ID, name record.StreamName) (io.ReadCloser, error) {
	c, err := openCapture(s.fs, filepath.Join(s.dir, string(id)), name)
	if err != nil {
		return nil, err
	}
	return c.open()
}
