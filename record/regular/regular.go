// Package regular opens files that have to be regular ones. What lies in a place where a
// file is expected may be anything: opening a FIFO waits for who writes to it, a link to
// /dev/zero has no end. So files are opened without waiting, and what is no regular file
// is refused.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/afero"
)

// An Error says that something else is in the place of a file. It is an ErrNot.
type Error struct {
	Path string
	Mode fs.FileMode // its kind
}

// ErrNot says that a file is no regular one.
var ErrNot = errors.New("no regular file")

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s should be a file and is a %s: move it away", e.Path, kind(e.Mode))
}

// Is makes the error an ErrNot.
func (e *Error) Is(target error) bool { return target == ErrNot }

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "thing of another kind"
}

// Open is OpenFile of a regular file, or of a link to one. The error is an Error for
// anything else, and wraps fs.ErrNotExist as usual.
func Open(fsys afero.Fs, path string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := fsys.OpenFile(path, flag|syscall.O_NONBLOCK, perm)
	if err != nil {
		// A socket, a FIFO that nobody reads, or a folder cannot be opened so.
		if info, serr := fsys.Stat(path); serr == nil && !info.Mode().IsRegular() {
			err = &Error{path, info.Mode()}
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &Error{path, info.Mode()}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadFile returns the content of a regular file; see Open.
func ReadFile(fsys afero.Fs, path string) ([]byte, error) {
	f, err := Open(fsys, path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// CheckDir returns an error, which is an ErrNotDir, where something else is in the place of
// a folder. A link to a folder is one; what is not there is none.
func CheckDir(fsys afero.Fs, path string) error {
	info, err := fsys.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s should be a folder: move away what is there: %w", filepath.Clean(path), ErrNotDir)
	}
	return err
}

// ErrNotDir says that a folder is none.
var ErrNotDir = errors.New("no folder")
