// Package jobs notes the tasks of this home that have an open job. Each has a folder with the
// task's record as this home knows it, so that commands need not search the history for open
// jobs. docs/format.md specifies it.
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

// A Folder is the folder of a home's open jobs. It is safe for use by any number of processes.
type Folder struct {
	fs      afero.Fs
	dir     string
	dropped atomic.Bool // whether dropLast has run
}

// New returns the folder at dir (usually HOME/jobs). It is created when first needed.
func New(fsys afero.Fs, dir string) *Folder { return &Folder{fs: fsys, dir: dir} }

// Path returns the folder with the files of a task's open job.
func (f *Folder) Path(id record.ID) string { return filepath.Join(f.dir, string(id)) }

// noteName is the file with the record. The job's output files have other names.
const noteName = "record.json"

// Open notes that a task may have a job from now on, or updates the note of its job. It leaves
// out the output of the command and of the job.
func (f *Folder) Open(rec *record.Record) error { return f.open(rec, false) }

// Note is Open for a run whose command has ended. It keeps the output of the command, which may
// contain the id of the job.
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

// encode encodes a record for a note. It leaves out the output of the job and the output of the
// command, except for inline output of the command if printed is true.
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

// Get returns the noted record of a task, which, unlike one of the history, can only come from
// this home. It is nil if this home has started no open job for the task. The error wraps
// record.ErrInvalid when the note is damaged.
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

// Close removes the note of a task's open job, and the job's files.
func (f *Folder) Close(id record.ID) error {
	return errors.Join(f.leaveArray(id), f.fs.RemoveAll(f.Path(id)))
}

// IDs returns the tasks with open jobs, newest first.
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
