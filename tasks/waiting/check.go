package waiting

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"qme/internal/regular"
	"qme/internal/wholefile"
	"qme/record"
)

// Check reports what is wrong in the folder, and how the user mends it: tasks that cannot start because
// what is stored of them is damaged, and what does not belong there.
func (f *Folder) Check() (problems []error, err error) {
	names, err := f.names(f.dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue
		}
		path := filepath.Join(f.dir, name)
		id, err := record.ParseID(name)
		if err != nil || !f.isFolder(path) {
			problems = append(problems, fmt.Errorf("%s is not of the queue: move it to another folder, or remove it", path))
			continue
		}
		_, eerr := f.EntryIn(path, id)
		_, rerr := f.RecordIn(path, id)
		_, verr := f.EnvironmentIn(path, id)
		if err := errors.Join(eerr, rerr, verr); err != nil && !errors.Is(err, record.ErrNotFound) {
			problems = append(problems, f.cannotStart(id, err))
		}
	}
	return problems, nil
}

// Misplaced returns an error for each file that is in the place of the folder, or of one in it that a new task needs.
func (f *Folder) Misplaced() []error {
	var errs []error
	for _, dir := range []string{f.dir, filepath.Join(f.dir, newFolder), filepath.Join(f.dir, envFolder)} {
		if err := f.notFolder(dir); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (f *Folder) notFolder(dir string) error { return regular.NotFolder(f.fs, dir) }

// leftAge is the age from which what is used for milliseconds counts as left by a process that was
// killed.
const leftAge = time.Minute

// Tidy removes what processes that were killed have left: tasks that were being added, and environments
// that no task has. It costs two looks at small folders.
func (f *Folder) Tidy() error {
	var errs []error
	for _, folder := range []string{newFolder, envFolder} {
		dir := filepath.Join(f.dir, folder)
		names, err := f.names(dir)
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, f.removeLeft(filepath.Join(dir, name), folder == envFolder))
		}
	}
	return errors.Join(errs...)
}

// removeLeft removes a file or folder that is old, and a file only if it has no other name.
func (f *Folder) removeLeft(path string, file bool) error {
	info, err := f.fs.Stat(path)
	if err == nil && old(info, time.Now()) && (!file || onlyName(info)) {
		// The clock of this machine may be ahead of that of a file server.
		if now, nerr := wholefile.Now(f.fs, filepath.Join(f.dir, newFolder), "time-"); nerr == nil && old(info, now) {
			err = f.fs.RemoveAll(path)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func old(info fs.FileInfo, now time.Time) bool { return now.Sub(info.ModTime()) > leftAge }

// onlyName reports whether a file has no other name, as far as the file system tells.
func onlyName(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 1
}

// names returns the names in a folder, none if it is not there, or something else is in its place: see Misplaced.
func (f *Folder) names(dir string) ([]string, error) { return regular.Names(f.fs, dir) }
