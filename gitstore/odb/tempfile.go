package odb

import (
	"errors"
	"io/fs"

	"github.com/spf13/afero"

	"qme/internal/wholefile"
)

// Temporary begins the names of files that are not whole yet. They are not git's own
// (tmp_), which "git prune" removes while they are being written.
const Temporary = "qme_"

const (
	tmpPack  = Temporary + "pack_"
	tmpIndex = Temporary + "idx_"
)

// A tempFile is a file of packs that has no name of its own yet.
type tempFile struct {
	db   *DB
	file afero.File
}

// newTempFile makes a file whose name begins with prefix.
func (db *DB) newTempFile(prefix string) (*tempFile, error) {
	if err := db.fs.MkdirAll(db.packDir(), 0o700); err != nil {
		return nil, err
	}
	f, err := afero.TempFile(db.fs, db.packDir(), prefix)
	if err != nil {
		return nil, err
	}
	return &tempFile{db, f}, nil
}

// close flushes the file to disk and closes it.
func (t *tempFile) close() error {
	err := t.db.fs.Chmod(t.file.Name(), 0o400)
	if err == nil && !t.db.opts.NoSync {
		err = t.file.Sync()
	}
	return errors.Join(err, t.file.Close())
}

// abort removes the file.
func (t *tempFile) abort() error {
	_ = t.file.Close() // closed already, or of no use any more
	return t.db.remove(t.file.Name())
}

// remove removes a file; one that is not there is no error.
func (db *DB) remove(path string) error {
	if err := db.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a folder durable (fsync(2) of the folder).
func (db *DB) syncDir(dir string) error {
	if db.opts.NoSync {
		return nil
	}
	return wholefile.FlushFolder(db.fs, dir)
}
