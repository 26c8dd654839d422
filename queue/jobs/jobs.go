// Package jobs keeps which tasks of this home have a job that goes on: a folder for
// each, so that nobody has to look through the history for them. docs/format.md
// specifies it.
package jobs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"qme/record"
)

// A Folder is the place of the open jobs of a home. Any number of processes may use it.
type Folder struct {
	fs  afero.Fs
	dir string
}

// New returns the folder at dir (usually HOME/jobs), which is made when first needed.
func New(fsys afero.Fs, dir string) *Folder { return &Folder{fsys, dir} }

// Path is where a task's open job has its files.
func (f *Folder) Path(id record.ID) string { return filepath.Join(f.dir, string(id)) }

// Open notes that a task may have a job from now on. That it is noted already is no
// error.
func (f *Folder) Open(id record.ID) error { return f.fs.MkdirAll(f.Path(id), 0o700) }

// Close notes that a task has no job any more, and removes the job's files.
func (f *Folder) Close(id record.ID) error { return f.fs.RemoveAll(f.Path(id)) }

// Has reports whether a task has an open job that this home has started.
func (f *Folder) Has(id record.ID) (bool, error) { return afero.DirExists(f.fs, f.Path(id)) }

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
