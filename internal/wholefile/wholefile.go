// Package wholefile writes files atomically: readers see the old file or the new one. The
// content is first written to a temporary file in the same folder, ".NAME-" with digits
// appended. A process that is killed leaves that file, see RemoveLeft. All files have
// mode 0600.
package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/internal/regular"
)

// Replace creates or replaces the file at path. It does not sync: after a power cut the
// file may be empty. Use it for files whose readers detect that, or that can be created
// again.
func Replace(fsys afero.Fs, path string, content []byte) error {
	return write(fsys, path, content, false, fsys.Rename)
}

// ReplaceFlushed is like Replace, but syncs the content first: after a power cut there is
// the old file or the new one.
func ReplaceFlushed(fsys afero.Fs, path string, content []byte) error {
	return write(fsys, path, content, true, fsys.Rename)
}

// Create is like ReplaceFlushed for a file that does not exist yet. The error wraps
// fs.ErrExist if it exists, even if another process has just created it. On file systems
// without hard links, a file that another process creates at the same moment is replaced.
func Create(fsys afero.Fs, path string, content []byte) error {
	return write(fsys, path, content, true, func(from, to string) error {
		err := Link(fsys, from, to)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return errors.Join(err, fsys.Remove(from))
		}
		if _, err := fsys.Stat(to); err == nil {
			return errors.Join(&fs.PathError{Op: "create", Path: to, Err: fs.ErrExist}, fsys.Remove(from))
		}
		return fsys.Rename(from, to)
	})
}

// A File is the content that a file is to get.
type File struct {
	Path    string
	Content []byte
}

// ReplaceAllFlushed is ReplaceFlushed for several files, in their order. None is replaced before the contents of all are on disk, so
// that a full disk leaves all as they were.
func ReplaceAllFlushed(fsys afero.Fs, files ...File) (err error) {
	var filled []string
	for _, f := range files {
		tmp, err := fill(fsys, f.Path, f.Content, true)
		if err != nil {
			return removing(fsys, err, filled...)
		}
		filled = append(filled, tmp)
	}
	for i, tmp := range filled {
		if err := fsys.Rename(tmp, files[i].Path); err != nil {
			return removing(fsys, err, filled[i:]...)
		}
	}
	return nil
}

// write fills a temporary file and calls put to rename it.
func write(fsys afero.Fs, path string, content []byte, flush bool, put func(from, to string) error) error {
	tmp, err := fill(fsys, path, content, flush)
	if err != nil {
		return err
	}
	if err := put(tmp, path); err != nil {
		return removing(fsys, err, tmp)
	}
	return nil
}

// fill returns the name of a new temporary file for path that has the content. After an error there is none.
func fill(fsys afero.Fs, path string, content []byte, flush bool) (string, error) {
	f, err := afero.TempFile(fsys, filepath.Dir(path), temporary(path))
	if err != nil {
		return "", named(path, err)
	}
	_, err = f.Write(content)
	if err == nil && flush {
		err = f.Sync()
	}
	if err = errors.Join(named(path, err), named(path, f.Close())); err != nil {
		return "", removing(fsys, err, f.Name())
	}
	return f.Name(), nil
}

// removing removes temporary files after an error: on a full disk they take up needed space.
func removing(fsys afero.Fs, err error, files ...string) error {
	for _, tmp := range files {
		if rerr := fsys.Remove(tmp); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// named has an error about the temporary file for path name that, which is what the user knows.
func named(path string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) && filepath.Dir(of.Path) == filepath.Dir(path) && strings.HasPrefix(filepath.Base(of.Path), temporary(path)) {
		return &fs.PathError{Op: of.Op, Path: path, Err: of.Err}
	}
	return err
}

// temporary returns the prefix of the temporary files for path.
func temporary(path string) string { return "." + filepath.Base(path) + "-" }

// leftAge is the age from which a temporary file, which is in use for milliseconds,
// belongs to a dead process.
const leftAge = time.Minute

// RemoveLeft removes the temporary files that killed processes left for path. That file
// must have just been written, since its time is compared with theirs by the clock of the
// file system.
func RemoveLeft(fsys afero.Fs, path string) error {
	now, err := fsys.Stat(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := fsys.Open(dir)
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	errs := []error{err, f.Close()}
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, temporary(path))
		if ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			errs = append(errs, removeOld(fsys, filepath.Join(dir, name), now.ModTime()))
		}
	}
	return errors.Join(errs...)
}

// removeOld removes a file older than leftAge. It is no error if another process has
// removed or renamed it.
func removeOld(fsys afero.Fs, path string, now time.Time) error {
	info, err := lstat(fsys, path)
	if err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) >= leftAge {
		err = fsys.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func lstat(fsys afero.Fs, path string) (fs.FileInfo, error) {
	if l, ok := fsys.(afero.Lstater); ok {
		info, _, err := l.LstatIfPossible(path)
		return info, err
	}
	return fsys.Stat(path)
}

// Now returns the time by the clock that sets the times of files in a folder, which may be that of a server. It creates a
// file there for that, and removes it; the name begins with a prefix. A process that is killed leaves the file.
func Now(fsys afero.Fs, dir, prefix string) (time.Time, error) {
	f, err := afero.TempFile(fsys, dir, prefix)
	if err != nil {
		return time.Time{}, err
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close(), fsys.Remove(f.Name())); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// A Stamp changes when a file is replaced, or when the names in a folder change. Changes within a tick of the clock of the
// file system may give the same one. The zero Stamp is that of nothing.
type Stamp struct {
	Inode uint64 // 0 where the system has none
	Time  time.Time
}

// StampOf returns the stamp of a file or folder, or of that to which a link leads, the zero Stamp if there is none.
func StampOf(fsys afero.Fs, path string) (Stamp, error) {
	info, err := fsys.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Stamp{}, nil
	} else if err != nil {
		return Stamp{}, err
	}
	s := Stamp{Time: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode = st.Ino
	}
	return s, nil
}

// Link creates a hard link, as link(2). The error is errors.ErrUnsupported for kinds of
// file systems without links; other file systems return errors of their own.
func Link(fsys afero.Fs, from, to string) error {
	switch f := fsys.(type) {
	case *afero.OsFs, *regular.FS:
		return os.Link(from, to)
	case interface{ Link(from, to string) error }:
		return f.Link(from, to)
	}
	return errors.ErrUnsupported
}

// FlushFolder syncs a folder, so that its names survive a power cut. It does nothing on
// file systems without such a call.
func FlushFolder(fsys afero.Fs, dir string) error {
	f, err := fsys.Open(dir)
	if err != nil {
		return err
	}
	if real, ok := f.(*os.File); ok {
		err = real.Sync()
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
			err = nil
		}
	}
	return errors.Join(err, f.Close())
}
