package odb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/afero"

	"qme/record"
)

// A LayoutError says that a repository keeps its objects in a way that is not read here.
// Nothing of it need be damaged. It is a record.ErrInvalid.
type LayoutError struct {
	What string // the layout
	Way  string // how to convert it
	err  error  // the cause, may be nil
}

// Error implements error.
func (e *LayoutError) Error() string {
	if e.err != nil {
		return fmt.Sprintf("%v (%s)", e.err, e.What)
	}
	return fmt.Sprintf("%s: %v", e.What, record.ErrInvalid)
}

// Unwrap returns the cause, and record.ErrInvalid.
func (e *LayoutError) Unwrap() []error {
	if e.err == nil {
		return []error{record.ErrInvalid}
	}
	return []error{e.err, record.ErrInvalid}
}

// oldIndex is the error of an index of version 1, which has no mark at its beginning.
func (db *DB) oldIndex(p *pack) error {
	return &LayoutError{What: p.name + ".idx is an index of version 1, which is not read here",
		Way: fmt.Sprintf("\"git -C %s -c pack.indexVersion=2 repack -adF\" makes it anew; unset pack.indexVersion, too.", filepath.Dir(db.dir))}
}

// isOldIndex reports whether a file is an index of version 1 (gitformat-pack(5)): a table
// of 256 numbers that do not descend, 24 bytes for each object, and two checksums.
func isOldIndex(fsys afero.Fs, path string) bool {
	f, err := fsys.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var table [1024]byte
	if _, err := io.ReadFull(f, table[:]); err != nil {
		return false
	}
	info, err := f.Stat()
	last := binary.BigEndian.Uint32(table[1020:])
	return err == nil && info.Size() == int64(len(table))+24*int64(last)+2*hashLen
}

// missing explains the error about an object that is not there, when the repository has
// it elsewhere.
func (db *DB) missing(err error) error {
	if !errors.Is(err, ErrMissing) {
		return err
	}
	repository := filepath.Dir(db.dir)
	if _, serr := db.fs.Stat(filepath.Join(db.dir, "info", "alternates")); serr == nil {
		return &LayoutError{What: "the repository borrows objects from another (objects/info/alternates), which is not read here", err: err,
			Way: fmt.Sprintf("\"git -C %s repack -ad\" copies what it borrows; then remove %s.", repository, filepath.Join(db.dir, "info", "alternates"))}
	}
	if _, serr := db.fs.Stat(filepath.Join(repository, "shallow")); serr == nil {
		return &LayoutError{What: "the repository is a shallow clone, which lacks what came before", err: err,
			Way: fmt.Sprintf("\"git -C %s fetch --unshallow\" brings it.", repository)}
	}
	return err
}
