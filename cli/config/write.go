package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/afero"
)

// rewrite replaces the content of a file by the result of change, atomically. change gets
// the path, with links resolved, and the content, nil if the file does not exist; it must
// have no side effects. Nothing is written if it returns the content unchanged.
//
// As in git, the new file is written as PATH.lock, created exclusively before the old
// file is read, so that concurrent edits cannot undo each other.
func rewrite(fsys afero.Fs, path string, change func(path string, old []byte) ([]byte, error)) (err error) {
	path, err = resolve(fsys, path)
	if err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	lock := path + ".lock"
	f, err := create(fsys, lock)
	if err != nil {
		return err
	}
	defer hold(fsys, lock)()
	renamed := false
	defer func() {
		if !renamed {
			err = errors.Join(err, fsys.Remove(lock))
		}
	}()
	changed, err := fill(fsys, f, path, change)
	if err != nil || !changed {
		return err
	}
	if err := fsys.Rename(lock, path); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	renamed = true
	return nil
}

// lockWait is the time to wait for an edit by another process. An edit takes
// milliseconds, unless the process died or the disk is slow.
var lockWait = 2 * time.Second

// create creates the lock file. The error wraps record.ErrConflict if another process
// holds it for all of lockWait.
func create(fsys afero.Fs, lock string) (afero.File, error) {
	end := time.Now().Add(lockWait)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		f, err := fsys.OpenFile(lock, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, fmt.Errorf("write settings: %w", err)
		case time.Now().After(end):
			return nil, conflict("%s exists: another qme is changing the settings; if none is, delete that file", lock)
		}
		if removed, err := removeStale(fsys, lock); err != nil {
			return nil, fmt.Errorf("write settings: %w", err)
		} else if !removed {
			time.Sleep(pause)
		}
	}
}

// fill writes the new content to f, syncs and closes it. It reports whether the content
// differs from that of path; if not, f is empty.
func fill(fsys afero.Fs, f afero.File, path string, change func(string, []byte) ([]byte, error)) (changed bool, err error) {
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("write settings: %w", closeErr)
		}
	}()
	old, err := read(fsys, path)
	if err != nil {
		return false, err
	}
	text, err := change(path, old)
	if err != nil || bytes.Equal(text, old) {
		return false, err
	}
	n, err := f.Write(text)
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return false, fmt.Errorf("write settings: %w", err)
	}
	return true, nil
}

// resolve follows symbolic links at path, since a rename would replace the link. Users
// link to settings in a folder under version control.
func resolve(fsys afero.Fs, path string) (string, error) {
	lstater, canStat := fsys.(afero.Lstater)
	reader, canRead := fsys.(afero.LinkReader)
	if !canStat || !canRead {
		return path, nil
	}
	const most = 40 // as in Linux
	for range most {
		info, _, err := lstater.LstatIfPossible(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		target, err := reader.ReadlinkIfPossible(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", &fs.PathError{Op: "resolve", Path: path, Err: errors.New("too many symbolic links")}
}
