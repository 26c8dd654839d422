// Package spool stores runs that have started but are not committed, one folder each. If the
// process that records a run dies, the next command finds the record and the output received so
// far. docs/format.md specifies the folder.
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

// newPrefix begins the name of an entry that is being created.
const newPrefix = ".new-"

// probePrefix begins the name of a file that is created to learn the server's time. It includes
// newPrefix, so that a file left by a crash is removed like an unfinished entry.
const probePrefix = newPrefix + "time-"

// The files of an entry.
const (
	lockFile    = "lock"
	recordFile  = "record.json"
	controlFile = "control"
	startedFile = "started"
	queuedDir   = "queued"
)

// A Spool is the folder of uncommitted runs. It is safe for use by any number of processes.
type Spool struct {
	fs  afero.Fs
	dir string

	flock func(f afero.File, kind lockfile.Kind) error
	me    func() owner // the owner written to the lock files of this process
}

// New returns the spool in the folder dir (usually HOME/running). The folder is created when
// first needed.
func New(fsys afero.Fs, dir string) *Spool {
	return &Spool{fs: fsys, dir: dir, flock: flock, me: sync.OnceValue(self)}
}

// Dir returns the spool's folder.
func (s *Spool) Dir() string { return s.dir }

// An Entry is an uncommitted run that this process records, or has taken over from a dead
// process. It is locked until Remove or Close, if the file system has locks.
type Entry struct {
	s      *Spool
	fs     afero.Fs
	dir    string
	id     record.ID
	lock   afero.File
	locked bool
	own    bool // the lock file names this process

	losing sync.Mutex // guards lost
	lost   map[record.StreamName]int64

	parting sync.Mutex                 // guards parts
	parts   map[record.PartName][]byte // those that could not be written
}

// Begin creates the entry of a run that starts. The error wraps record.ErrConflict when the
// task is already running, or when its last run has ended but is not committed.
func (s *Spool) Begin(rec *record.Record) (*Entry, error) {
	// Rename the folder only when it is locked and has its record, so that no process mistakes
	// it for one left by a crash.
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

// rename renames a folder and never replaces one. rename(2) refuses to replace a folder that is
// not empty; afero's file system in memory does not.
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
	// No other process knows the folder yet, so the lock is free. On a file system without
	// locks, the owner named in the file has to suffice.
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

// Write atomically replaces the record of the entry.
func (e *Entry) Write(rec *record.Record) error {
	b, err := record.Encode(rec)
	if err != nil {
		return err
	}
	return wholefile.Replace(e.fs, filepath.Join(e.dir, recordFile), b)
}

// Sync flushes the entry to disk, for a record that stays in the spool.
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

// Remove deletes the entry after its record is committed.
func (e *Entry) Remove() error {
	// Remove the record first: without it the rest of the entry is unused, even if this process
	// dies here.
	there, err := e.removeRecord()
	if err != nil || !there {
		return errors.Join(err, e.Close())
	}
	return clearAway(e.fs, e.dir, e.release)
}

// removeRecord deletes the record, and reports whether the folder still belongs to this entry.
func (e *Entry) removeRecord() (there bool, err error) {
	remove := func() error { return e.fs.Remove(filepath.Join(e.dir, recordFile)) }
	if !e.locked {
		// Another process may have removed the entry too, and a rerun may have created a new
		// one at the same path. Work through the open folder, which stays the same one.
		root, err := openFolder(e.dir)
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
	return true, nil // also if there was no record: another process died while it removed the entry
}

// clearAway removes a folder that has no record. It calls unlock before it removes the last
// file, because NFS keeps an open file under another name, and the folder would not be empty.
// After that, other processes may remove the folder too, and a rerun may create a new entry at
// the same path. So the files are removed through the open folder, and rmdir(2) does not remove
// a folder that has an entry.
func clearAway(fsys afero.Fs, dir string, unlock func() error) error {
	if _, ok := fsys.(*afero.MemMapFs); ok {
		return errors.Join(fsys.RemoveAll(dir), unlock())
	}
	root, err := openFolder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return unlock()
	} else if err != nil {
		return errors.Join(err, unlock())
	}
	defer root.Close()
	if _, err := root.Lstat(recordFile); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, unlock()) // it belongs to a new entry
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
		err = nil // another process has removed it, or a new entry is in its place
	}
	return errors.Join(append(errs, err)...)
}

// openFolder opens the folder of an entry. It never follows a symbolic link in its place: what
// is there belongs to somebody else.
func openFolder(dir string) (*os.Root, error) {
	before, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, noFolder(dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(before, opened) {
		err = noFolder(dir) // replaced meanwhile
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// openIn opens a file of the entry in the folder dir. The error is ENOTDIR if a symbolic link has
// the name of the entry, as for a file: links are not followed.
func openIn(fsys afero.Fs, dir, name string, flag int) (afero.File, error) {
	info, err := lstat(fsys, dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	return fsys.OpenFile(filepath.Join(dir, name), flag, 0)
}

func lstat(fsys afero.Fs, path string) (fs.FileInfo, error) {
	if l, ok := fsys.(afero.Lstater); ok {
		info, _, err := l.LstatIfPossible(path)
		return info, err
	}
	return fsys.Stat(path)
}

// vanished reports whether err means that a file or folder no longer exists. Another process
// may remove it at any time, so this is not a failure.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESTALE)
}

// Close releases the entry and leaves its files for the next process.
func (e *Entry) Close() error {
	var err error
	if e.lock != nil && e.own {
		err = disown(e.lock) // this process is alive but no longer records the run
	}
	return errors.Join(err, e.release())
}

// release releases the lock and closes its file.
func (e *Entry) release() error {
	if e.lock == nil {
		return nil
	}
	err := errors.Join(unlock(e.lock, e.locked), e.lock.Close())
	e.lock = nil
	return err
}

// List returns the records of all entries in no particular order, with the output so far. It
// skips entries that are removed meanwhile. If an entry cannot be read, its result has the
// error.
func (s *Spool) List(inline int) ([]record.Result, error) {
	ids, err := s.IDs()
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
// record.ErrNotFound when the spool does not have the run.
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
				return nil, gone // the run was committed meanwhile
			}
			return nil, err
		}
	}
	// Discard data that was read while the entry was being removed.
	if now, err := readRecord(s.fs, dir, id); err != nil || now.Data.Status != record.Running {
		return now, err
	}
	return rec, s.settle(dir, rec)
}

func readIn(fsys afero.Fs, dir, name string) ([]byte, error) {
	f, err := openIn(fsys, dir, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

func readRecord(fsys afero.Fs, dir string, id record.ID) (*record.Record, error) {
	b, err := readIn(fsys, dir, recordFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		// A file or link in place of a folder is not an entry; Take and Check report it.
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

// Stream returns the output of one stream so far. It leaves out bytes that the run overwrites
// during the read. For a live run, it holds up to 64 MiB of the end of the output in memory.
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
