// Package wholefile writes files that others see as a whole: the one of before, or the new one.
// The content grows under a name of its own in the same folder: ".NAME-", and digits. A process
// that is killed meanwhile leaves that file, see RemoveLeft. All files have mode 0600.
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

// Replace puts a file in the place of the one at path, if there is any. It is not flushed:
// what a power cut leaves may be empty, so it is for files that can tell so, or that are made
// anew.
func Replace(fsys afero.Fs, path string, content []byte) error {
	return write(fsys, path, content, false, fsys.Rename)
}

// ReplaceFlushed is Replace that has the content on the disk first: a power cut leaves the old
// file or the new one.
func ReplaceFlushed(fsys afero.Fs, path string, content []byte) error {
	return write(fsys, path, content, true, fsys.Rename)
}

// Create is ReplaceFlushed where there is no file yet. The error wraps fs.ErrExist when there
// is one, as when another process was faster. Where files cannot have two names, one that
// another has made this very moment is replaced.
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

// write fills a file and has put give it its name.
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
	if rerr := fsys.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) { // on a full disk it takes room that others need
		err = errors.Join(err, rerr)
	}
	return err
}

// temporary begins the names under which a file at path grows.
func temporary(path string) string { return "." + filepath.Base(path) + "-" }

// leftAge is from when on a file that is made within milliseconds is a killed process's.
const leftAge = time.Minute

// RemoveLeft removes what processes that were killed have left of a file, which has just been
// written: its date tells the time by the clock that dates the others as well.
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

// removeOld removes a file of leftAge. One that others have removed, or renamed, is no error.
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

// Link gives a file a second name, as link(2) does. The error is errors.ErrUnsupported on file
// systems that have it not by their kind; others say so by errors of theirs.
func Link(fsys afero.Fs, from, to string) error {
	switch f := fsys.(type) {
	case *afero.OsFs, *regular.FS:
		return os.Link(from, to)
	case interface{ Link(from, to string) error }:
		return f.Link(from, to)
	}
	return errors.ErrUnsupported
}

// FlushFolder has the names in a folder survive a power cut. File systems that have no such
// call are taken at their word.
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
