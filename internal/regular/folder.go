package regular

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/spf13/afero"
)

// A FolderError says that a file is in the place of a folder. It is a syscall.ENOTDIR.
type FolderError struct {
	Path string
	Mode fs.FileMode // of that file
}

// Error implements error.
func (e *FolderError) Error() string {
	kind := kind(e.Mode)
	if e.Mode.IsRegular() {
		kind = "file"
	}
	return fmt.Sprintf("%s should be a folder and is a %s: move it away", e.Path, kind)
}

// Is makes the error a syscall.ENOTDIR.
func (e *FolderError) Is(target error) bool { return target == syscall.ENOTDIR }

// NotFolder returns a FolderError if there is something else than a folder at path, or at the end of a link there, and nil if there
// is a folder or nothing, or that cannot be found out.
func NotFolder(fsys afero.Fs, path string) error {
	info, err := fsys.Stat(path)
	if err != nil || info.IsDir() {
		return nil
	}
	return &FolderError{path, info.Mode()}
}

// Names returns the names in a folder, in no particular order. There are none if it is not there, or NotFolder returns an
// error. It is no error if another process removes the folder meanwhile.
func Names(fsys afero.Fs, dir string) (names []string, err error) {
	f, err := fsys.Open(dir)
	if err == nil {
		names, err = f.Readdirnames(-1)
		err = errors.Join(err, f.Close())
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESTALE) || err != nil && NotFolder(fsys, dir) != nil {
		err = nil
	}
	return names, err
}
