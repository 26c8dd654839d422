// Package jobs keeps which tasks of this home have a job that goes on: a folder for
// each, so that nobody has to look through the history for them, with the task's record
// as this home knows it. docs/format.md specifies it.
package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/afero"

	"qme/internal/wholefile"
	"qme/record"
)

// A Folder is the place of the open jobs of a home. Any number of processes may use it.
type Folder struct {
	fs      afero.Fs
	dir     string
	dropped atomic.Bool // old notes of jobs that have ended, see dropLast
}

// New returns the folder at dir (usually HOME/jobs), which is made when first needed.
func New(fsys afero.Fs, dir string) *Folder { return &Folder{fs: fsys, dir: dir} }

// Path is where a task's open job has its files.
func (f *Folder) Path(id record.ID) string { return filepath.Join(f.dir, string(id)) }

// noteName is the file with the record. Output of the job has other names.
const noteName = "record.json"

// Open notes that a task may have a job from now on, or how that one stands by now. What
// has come of its output is not noted.
func (f *Folder) Open(rec *record.Record) error { return f.open(rec, false) }

// Note notes, as Open does, a run whose command has ended, with what that has printed: which
// job it is may stand there.
func (f *Folder) Note(rec *record.Record) error { return f.open(rec, true) }

func (f *Folder) open(rec *record.Record, printed bool) error {
	b, err := encode(rec, printed)
	if err != nil {
		return err
	}
	if err := f.fs.MkdirAll(f.Path(rec.UID), 0o700); err != nil {
		return err
	}
	return wholefile.ReplaceFlushed(f.fs, filepath.Join(f.Path(rec.UID), noteName), b)
}

// encode writes a record as it is noted: without the output of its job, and with what the
// command has printed, as far as the record itself has it, only if it is wanted.
func encode(rec *record.Record, printed bool) ([]byte, error) {
	note := *rec
	if !printed {
		note.Data.Output, note.Data.Error = []string{}, []string{}
	}
	note.Data.Stdout, note.Data.Stderr = nil, nil
	if rec.Data.Job != nil {
		job := *rec.Data.Job
		job.Output, job.Error, job.Stdout, job.Stderr = nil, nil, nil, nil
		note.Data.Job = &job
	}
	return record.Encode(&note)
}

// Get returns the record of a task as it was noted last: unlike that of the history it
// can only be of this home. It is nil when the task has no open job that this home has
// started. The error wraps record.ErrInvalid when the note is damaged.
func (f *Folder) Get(id record.ID) (*record.Record, error) {
	return f.read(filepath.Join(f.Path(id), noteName), id)
}

func (f *Folder) read(path string, id record.ID) (*record.Record, error) {
	b, err := afero.ReadFile(f.fs, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	rec, err := record.Decode(b)
	if err == nil && rec.UID != id {
		err = fmt.Errorf("it is of task %s: %w", rec.UID, record.ErrInvalid)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w (without that file the job is followed, and its output not brought)", path, err)
	}
	return rec, nil
}

// Close notes that a task has no job any more, and removes the job's files.
func (f *Folder) Close(id record.ID) error { return f.fs.RemoveAll(f.Path(id)) }

// IDs lists the tasks with open jobs, newest first.
func (f *Folder) IDs() ([]record.ID, error) {
	entries, err := afero.ReadDir(f.fs, f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var ids []record.ID
	for _, e := range entries {
		if id, err := record.ParseID(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b record.ID) int { return strings.Compare(b.UUID(), a.UUID()) })
	return ids, nil
}
