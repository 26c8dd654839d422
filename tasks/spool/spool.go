// Package spool keeps the runs that have started and are not committed yet, one
// folder each, so that whatever happens to the process that records a run, the
// next one finds what had arrived. docs/format.md specifies the folder.
package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/wholefile"
	"qme/record"
)

// newPrefix begins the name of an entry that is being made.
const newPrefix = ".new-"

// probePrefix begins the name of a file that is made to ask what time it is. With the
// prefix of entries, one that a crash leaves goes as they do.
const probePrefix = newPrefix + "time-"

// The files of an entry.
const (
	lockFile    = "lock"
	recordFile  = "record.json"
	controlFile = "control"
)

// A Spool is the folder of uncommitted runs. Any number of processes may use it.
type Spool struct {
	fs  afero.Fs
	dir string

	flock func(f afero.File, kind lockfile.Kind) error
	me    func() owner // whom the locks of entries of this process name
}

// New returns the spool in the folder dir (usually HOME/running), which is made
// when first needed.
func New(fsys afero.Fs, dir string) *Spool {
	return &Spool{fs: fsys, dir: dir, flock: flock, me: sync.OnceValue(self)}
}

// Dir returns the spool's folder.
func (s *Spool) Dir() string { return s.dir }

// An Entry is an uncommitted run that this process records, or one that it has taken
// over from a process that died. It is locked until Remove or Close, where the file
// system has locks.
type Entry struct {
	s      *Spool
	fs     afero.Fs
	dir    string
	id     record.ID
	lock   afero.File
	locked bool
	own    bool // the lock names this process

	losing sync.Mutex // guards what follows
	lost   map[record.StreamName]int64
}

// Begin notes that a run starts. The error wraps record.ErrConflict when the task
// is running already, or its last run has ended and has not been committed.
func (s *Spool) Begin(rec *record.Record) (*Entry, error) {
	// The folder gets its name once the lock is held and the record is there, so
	// that nobody takes it for one that a crash left.
	e, err := s.Scratch(rec)
	if err != nil {
		return nil, err
	}
	tmp := e.dir
	dir := filepath.Join(s.dir, string(rec.UID))
	if err := s.rename(tmp, dir); err != nil {
		err = errors.Join(err, e.Close(), s.fs.RemoveAll(tmp))
		if info, serr := s.fs.Stat(dir); serr == nil && info.IsDir() {
			if s.over(dir, rec.UID) {
				return nil, fmt.Errorf("task %s: its last run has ended and is not in the history yet: %w", rec.UID, record.ErrConflict)
			}
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
	e.lock, e.own = f, true
	// Nobody else knows the folder yet, so the lock is free. Where there are no
	// locks, the owner that the file names has to do.
	if err = e.s.flock(f, lockfile.Exclusive); err != nil && !errors.Is(err, lockfile.ErrNone) {
		return fmt.Errorf("lock %s: %w", e.dir, err)
	}
	e.locked = err == nil
	if err := e.s.me().write(f); err != nil {
		return err
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
	return wholefile.Replace(e.fs, filepath.Join(e.dir, recordFile), b)
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
	there, err := e.removeRecord()
	if err != nil || !there {
		return errors.Join(err, e.Close())
	}
	return clearAway(e.fs, e.dir, e.release)
}

// removeRecord reports whether the folder is still this entry's.
func (e *Entry) removeRecord() (there bool, err error) {
	remove := func() error { return e.fs.Remove(filepath.Join(e.dir, recordFile)) }
	if !e.locked {
		// Another process may have removed the entry too, and a rerun may have put
		// a new one in its place. What was opened stays the folder that it was.
		root, err := os.OpenRoot(e.dir)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		defer root.Close()
		now, err := root.Stat(lockFile)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		mine, err := e.lock.Stat()
		if err != nil || !os.SameFile(now, mine) {
			return false, err
		}
		remove = func() error { return root.Remove(recordFile) }
	}
	if err := remove(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	return true, nil // without a record too: the process before was removing it
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
	if !vanished(err) {
		errs = append(errs, err)
	}
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

// vanished says whether an error means that a file or folder is not there any more: what
// another process removes while it is looked at is done, and no fault.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESTALE)
}

// Close lets go of the entry. What is in it stays for the next process.
func (e *Entry) Close() error {
	var err error
	if e.lock != nil && e.own {
		err = disown(e.lock) // this process lives, and records the run no more
	}
	return errors.Join(err, e.release())
}

// release gives up the lock.
func (e *Entry) release() error {
	if e.lock == nil {
		return nil
	}
	err := errors.Join(unlock(e.lock, e.locked), e.lock.Close())
	e.lock = nil
	return err
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

// Get returns the record of an uncommitted run with its output so far. The error wraps
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
			c.live = true
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
	return rec, s.settle(dir, rec)
}

func readRecord(fsys afero.Fs, dir string, id record.ID) (*record.Record, error) {
	b, err := afero.ReadFile(fsys, filepath.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		// What is no folder is no entry; Take and Check name it.
		return nil, fmt.Errorf("task %s is not running: %w", id, record.ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		return nil, fmt.Errorf("%s: %w (%w)", filepath.Join(dir, recordFile), ErrEmpty, record.ErrInvalid)
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

// Stream returns what has arrived of a stream of a run, exactly: bytes that the run overwrites
// meanwhile are left out. The end of its output is held in memory, 64 MiB of it at the most.
func (s *Spool) Stream(id record.ID, name record.StreamName) (io.ReadCloser, error) {
	dir := filepath.Join(s.dir, string(id))
	rec, err := readRecord(s.fs, dir, id)
	if err != nil {
		return nil, err
	}
	c, err := openCapture(s.fs, dir, name)
	if err != nil {
		return nil, err
	}
	if rec.Data.Status == record.Running {
		c.live = true
		return c.snapshot()
	}
	return c.open()
}
