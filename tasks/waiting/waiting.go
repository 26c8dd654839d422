// Package waiting stores the tasks that wait in the queue for their start, one folder each, and
// the environments in which they were added. docs/format.md specifies the folder.
//
// A folder has the name of its task. Starting the task is one rename of it into the folder of the
// run in the spool (Claim), and trying it again one rename back (Return). So a task is in one of
// the two places at any moment, whatever is killed, and of any number of processes on any number of
// machines one alone gets it, also on file systems without locks.
package waiting

import (
	"context"
	"encoding/json"
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

	"qme/internal/lockfile"
	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

// The names below the folder of the queue. Those of tasks begin with a letter.
const (
	newFolder = ".new"          // of folders that are being made
	lockName  = ".changes.lock" // held by the process that changes an entry
	envFolder = ".env"
)

// The files of an entry.
const (
	entryFile  = "entry.json"
	recordFile = "record.json"
	envFile    = "env" // a hard link to the file in envFolder, where the file system has links
)

// changeTime is how long Change waits for another process that changes an entry.
const changeTime = 5 * time.Second

// A Folder is the folder of waiting tasks. It is safe for use by any number of processes.
type Folder struct {
	fs  afero.Fs
	dir string
}

// New returns the waiting tasks in the folder dir (usually HOME/queue), which is created when first
// needed.
func New(fsys afero.Fs, dir string) *Folder { return &Folder{fs: fsys, dir: dir} }

// Dir returns the folder.
func (f *Folder) Dir() string { return f.dir }

// Any reports whether there may be waiting tasks, at the cost of one look: a folder that was never
// made has none.
func (f *Folder) Any() bool { return f.isFolder(f.dir) }

// Has reports whether a task waits, without reading it.
func (f *Folder) Has(id record.ID) bool {
	_, err := f.fs.Stat(f.path(id))
	return err == nil
}

func (f *Folder) path(id record.ID) string { return filepath.Join(f.dir, string(id)) }

// rename gives a folder its name, and never replaces one.
func (f *Folder) rename(from, to string) error {
	if _, ok := f.fs.(*afero.MemMapFs); ok { // rename(2) refuses to replace a folder that is not empty
		if _, err := f.fs.Stat(to); err == nil {
			return fmt.Errorf("%s waits already: %w", filepath.Base(to), record.ErrConflict)
		}
	}
	err := f.fs.Rename(from, to)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("%s waits already: %w", filepath.Base(to), record.ErrConflict)
	}
	return err
}

// IDs returns the ids of all waiting tasks, in no particular order, without reading any.
func (f *Folder) IDs() ([]record.ID, error) {
	names, err := f.names(f.dir)
	if err != nil {
		return nil, err
	}
	ids := make([]record.ID, 0, len(names))
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue
		}
		if id, err := record.ParseID(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Count returns how many tasks wait, up to a number, at a cost that depends on that number alone. It may count a few
// files of the folder that are none.
func (f *Folder) Count(most int) (int, error) {
	d, err := f.fs.Open(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(most + mostOwn)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	n := 0
	for _, name := range names {
		if !strings.HasPrefix(name, ".") {
			n++
		}
	}
	return min(n, most), err
}

// mostOwn is about how many files the folder has that are no tasks.
const mostOwn = 20

// Entry returns what is known of a waiting task. The error wraps record.ErrNotFound if it does not
// wait, and record.ErrInvalid if its folder is damaged; it then says how the user mends it.
func (f *Folder) Entry(id record.ID) (*Entry, error) {
	e, err := f.EntryIn(f.path(id), id)
	return e, f.damaged(id, err)
}

// Damage returns the error that wraps record.ErrInvalid of Entry or Record, nil if there is none.
func (f *Folder) Damage(id record.ID) error {
	_, err := f.Entry(id)
	if err == nil {
		_, err = f.Record(id)
	}
	if errors.Is(err, record.ErrInvalid) {
		return err
	}
	return nil
}

// damaged adds to an error that says that the folder of a task is damaged how the user mends it.
func (f *Folder) damaged(id record.ID, err error) error {
	if !errors.Is(err, record.ErrInvalid) {
		return err
	}
	return f.cannotStart(id, err)
}

func (f *Folder) cannotStart(id record.ID, err error) error {
	return fmt.Errorf("task %s cannot start: %w; mend it, or move the folder %s elsewhere and add the command again", id, err, f.path(id))
}

// EntryIn is Entry for a folder that Claim has moved to dir.
func (f *Folder) EntryIn(dir string, id record.ID) (*Entry, error) {
	b, err := f.read(dir, entryFile, id)
	if err != nil {
		return nil, err
	}
	e, err := decode(b, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, entryFile), err)
	}
	return e, nil
}

// Record returns the record of a waiting task: its status is record.None, and data.queue says that
// it waits. Errors are those of Entry.
func (f *Folder) Record(id record.ID) (*record.Record, error) {
	rec, err := f.RecordIn(f.path(id), id)
	return rec, f.damaged(id, err)
}

// RecordIn is Record for a folder that Claim has moved to dir.
func (f *Folder) RecordIn(dir string, id record.ID) (*record.Record, error) {
	b, err := f.read(dir, recordFile, id)
	if err != nil {
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

// longest bounds the files of an entry, in bytes. A command with its arguments, and an environment, have
// some MiB at most.
const longest = 64 << 20

func (f *Folder) read(dir, name string, id record.ID) ([]byte, error) {
	path := filepath.Join(dir, name)
	for range 3 { // where the folder is there without the file, it may just have come back
		b, err := f.readWhole(path)
		if missing := errors.Is(err, fs.ErrNotExist); !missing && !errors.Is(err, syscall.ENOTDIR) {
			return b, err
		} else if !missing || !f.isFolder(dir) {
			return nil, fmt.Errorf("task %s does not wait in the queue: %w", id, record.ErrNotFound)
		}
	}
	return nil, fmt.Errorf("%s: %w: it is not there", path, record.ErrInvalid)
}

func (f *Folder) readWhole(path string) ([]byte, error) {
	file, err := regular.Open(f.fs, path, os.O_RDONLY, 0)
	if errors.Is(err, regular.ErrNot) {
		return nil, fmt.Errorf("%w: %w", record.ErrInvalid, err)
	} else if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(file, longest+1))
	if err = errors.Join(err, file.Close()); err == nil && len(b) > longest {
		err = fmt.Errorf("%s: %w: it has more than %d bytes", path, record.ErrInvalid, longest)
	}
	return b, err
}

func (f *Folder) isFolder(dir string) bool {
	info, err := f.fs.Stat(dir)
	return err == nil && info.IsDir()
}

// Change has change alter the entry and the record of a waiting task, one process at a time. The
// error wraps record.ErrNotFound if the task does not wait, or has started meanwhile, and
// record.ErrBusy if another process changes one for too long. It is otherwise that of change, after which nothing is altered.
func (f *Folder) Change(ctx context.Context, id record.ID, change func(*Entry, *record.Record) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	lock, err := lockfile.Wait(ctx, f.fs, filepath.Join(f.dir, lockName), lockfile.Exclusive)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("task %s does not wait in the queue: %w", id, record.ErrNotFound)
	case errors.Is(err, lockfile.ErrHeld):
		return fmt.Errorf("the queue is %w by another qme that changes a task; try again", record.ErrBusy)
	case err != nil:
		return err
	}
	defer lock.Close()
	e, err := f.Entry(id)
	if err != nil {
		return err
	}
	rec, err := f.Record(id)
	if err != nil {
		return err
	}
	if err := change(e, rec); err != nil {
		return err
	}
	err = f.WriteIn(f.path(id), id, e, rec)
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		err = fmt.Errorf("task %s stays as it was, since its change could not be stored: %w", id, err)
	}
	return errors.Join(err, f.edited())
}

// WriteIn replaces the entry and the record in the folder of a task, which Claim may have moved to dir: both, or none if
// there is no room for them. The entry goes last, since it alone decides. The error wraps record.ErrNotFound if the folder is not there any more.
func (f *Folder) WriteIn(dir string, id record.ID, e *Entry, rec *record.Record) error {
	r, err := record.Encode(rec)
	if err != nil {
		return err
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	err = wholefile.ReplaceAllFlushed(f.fs, wholefile.File{Path: filepath.Join(dir, recordFile), Content: r}, wholefile.File{Path: filepath.Join(dir, entryFile), Content: b})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("task %s has started meanwhile: %w", id, record.ErrNotFound)
	}
	return err
}

// Claim moves the folder of a waiting task to dir, which must not exist, in an existing folder of the
// same file system. It belongs to the caller then, and to no other process. The error wraps
// record.ErrNotFound if the task does not wait any more.
func (f *Folder) Claim(id record.ID, dir string) error {
	err := f.rename(f.path(id), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("task %s does not wait in the queue: %w", id, record.ErrNotFound)
	}
	return err
}

// Return moves a folder that Claim has moved to dir back, by move, so that the task waits again, after
// next has altered its entry and record; a nil next alters nothing. It survives a power cut. The error
// wraps record.ErrConflict if the task waits already.
func (f *Folder) Return(id record.ID, dir string, move func(to string) error, next func(*Entry, *record.Record)) error {
	if next != nil {
		e, err := f.EntryIn(dir, id)
		if err != nil {
			return err
		}
		rec, err := f.RecordIn(dir, id)
		if err != nil {
			return err
		}
		next(e, rec)
		if err := f.WriteIn(dir, id, e, rec); err != nil {
			return err
		}
	}
	err := move(f.path(id))
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("%s waits already: %w", id, record.ErrConflict)
	} else if err != nil {
		return err
	}
	return errors.Join(f.edited(), wholefile.FlushFolder(f.fs, f.dir))
}

// Drop removes a folder that Claim has moved to dir, and its environment if no other entry has the
// same. It is no error if there is none. The folder is gone at once as a whole, so that no process takes it for a
// damaged one meanwhile.
func (f *Folder) Drop(id record.ID, dir string) error {
	e, err := f.EntryIn(dir, id)
	if err := f.remove(dir); err != nil {
		return err
	}
	if err != nil {
		return nil // damaged, or not there: which environment it had is not known
	}
	return f.dropEnvironment(e.Env)
}

func (f *Folder) remove(dir string) error {
	if _, err := f.fs.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := f.fs.MkdirAll(filepath.Join(f.dir, newFolder), 0o700); err != nil {
		return err
	}
	away, err := afero.TempDir(f.fs, filepath.Join(f.dir, newFolder), "")
	if err != nil {
		return err
	}
	if err := f.fs.Rename(dir, filepath.Join(away, "dropped")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, f.fs.RemoveAll(away))
	}
	return f.fs.RemoveAll(away)
}
