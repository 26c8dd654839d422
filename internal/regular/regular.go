// Package regular opens regular files only. A path may name anything: opening a FIFO
// waits for a writer, and a link to /dev/zero has no end. So files are opened without
// blocking, and other kinds of files are rejected.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/afero"
)

// An Error says that a path is not a regular file. It is an ErrNot.
type Error struct {
	Path string
	Mode fs.FileMode // the kind of the file
}

// ErrNot means that a file is not regular.
var ErrNot = errors.New("no regular file")

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s should be a file and is a %s: move it away", e.Path, kind(e.Mode))
}

// Is makes the error an ErrNot.
func (e *Error) Is(target error) bool { return target == ErrNot }

// ownLink returns the flag for opening a file for writing, so that a link created by
// another user cannot redirect the write. The error is an Error for a link that belongs
// neither to this user nor to root.
func ownLink(fsys afero.Fs, path string) (flag int, err error) {
	l, ok := fsys.(afero.Lstater)
	if !ok {
		return 0, nil
	}
	info, _, err := l.LstatIfPossible(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return syscall.O_NOFOLLOW, nil // opening it reports other errors
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return 0, &Error{path, info.Mode()}
	}
	return 0, nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeSymlink != 0:
		return "link of another user's"
	case m&fs.ModeNamedPipe != 0:
		return "FIFO"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "thing of another kind"
}

// Open opens a regular file, or a link to one, as OpenFile does. The error is an Error
// for other kinds of files, and wraps fs.ErrNotExist as usual.
func Open(fsys afero.Fs, path string, flag int, perm fs.FileMode) (afero.File, error) {
	return open(fsys, path, flag, perm, fs.FileMode.IsRegular)
}

func open(fsys afero.Fs, path string, flag int, perm fs.FileMode, good func(fs.FileMode) bool) (afero.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		noFollow, err := ownLink(fsys, path)
		if err != nil {
			return nil, err
		}
		flag |= noFollow
	}
	f, err := fsys.OpenFile(path, flag|syscall.O_NONBLOCK|syscall.O_NOCTTY, perm)
	if err != nil {
		// A socket, a FIFO without a reader, or a folder cannot be opened this way.
		if info, serr := fsys.Stat(path); serr == nil && !good(info.Mode()) {
			err = &Error{path, info.Mode()}
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !good(info.Mode()) {
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

// FS is the file system of the machine, restricted to regular files and folders.
type FS struct{ afero.OsFs }

// NewFS returns an FS.
func NewFS() afero.Fs { return &FS{} }

// Open implements afero.Fs.
func (f *FS) Open(path string) (afero.File, error) { return f.OpenFile(path, os.O_RDONLY, 0) }

// OpenFile implements afero.Fs.
func (f *FS) OpenFile(path string, flag int, perm fs.FileMode) (afero.File, error) {
	return open(&f.OsFs, path, flag, perm, func(m fs.FileMode) bool { return m.IsRegular() || m.IsDir() })
}

// OpenHere is Open on the file system of the machine.
func OpenHere(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := Open(&afero.OsFs{}, path, flag, perm)
	if err != nil {
		return nil, err
	}
	return f.(*os.File), nil // an OsFs returns no others
}

// ReadHere is ReadFile on the file system of the machine.
func ReadHere(path string) ([]byte, error) { return ReadFile(&afero.OsFs{}, path) }

// ErrTooLarge means that a file is larger than its limit.
var ErrTooLarge = errors.New("larger than the bound")

// ReadBounded returns the content of a regular file of at most limit bytes on this
// machine, and its FileInfo. flag may be O_NOFOLLOW. The error wraps ErrTooLarge if the
// file is larger.
func ReadBounded(path string, limit int64, flag int) ([]byte, fs.FileInfo, error) {
	f, err := OpenHere(path, os.O_RDONLY|flag, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > limit {
		return nil, nil, fmt.Errorf("%s: %w", path, ErrTooLarge)
	}
	// One byte more than the size detects a growing file, and lets the read end without
	// growing the buffer.
	b := make([]byte, info.Size()+1)
	n, err := io.ReadFull(f, b)
	if err == nil {
		return nil, nil, fmt.Errorf("%s grew while it was read", path)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	return b[:n], info, nil
}
