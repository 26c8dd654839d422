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

// write fills a temporary file and calls put to rename it.
func write(fsys afero.Fs, path string, content []byte, flush bool, put func(from, to string) error) error {
	f, err := afero.TempFile(fsys, filepath.Dir(path), temporary(path))
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && flush {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = put(f.Name(), path)
	}
	if err == nil {
		return nil
	}
	if rerr := fsys.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) { // on a full disk it takes up needed space
		err = errors.Join(err, rerr)
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
