// Package aside keeps files of the user from a command that makes them again. They are renamed to a
// folder in the home, or beside them on another file system, and put back by a rename, so that they keep
// their inode, times and links. A journal that is written before the first step says where they are, so
// that another process can put them back if this one is killed.
//
// Only regular files are moved, and symbolic links that lead to one, through which a command would write to
// it. No symbolic link is followed, nothing is overwritten, and nothing is removed but what is proved to be a
// copy, or a file that the caller has looked at and wants to be removed.
package aside

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Folder is the folder in a home in which files are set aside: a folder for each task with the files that
// are left there for the user, and folders that begin with a dot.
const Folder = "check"

const (
	journals = ".journal" // below Folder: a file for each task whose files are set aside
	asides   = ".aside"   // below Folder: a folder for each of these
	kept     = "kept"     // below Folder: files that could not be put back
	// beside begins the name of a folder in which files are set aside that lie on another file system.
	beside = ".qme-check-"
)

// A File is one that is to be set aside.
type File struct {
	Path string // absolute
	// Copy leaves a copy in the place of the file, for a command that reads it as well: of the first Keep
	// bytes, or of all if Keep is negative.
	Copy bool
	Keep int64
}

var (
	// ErrLeft says that a file is left where it is, since it is not a regular file.
	ErrLeft = errors.New("it is not a regular file")
	// ErrHome says that a file is left where it is, since qme itself needs it there.
	ErrHome = errors.New("it belongs to the home of qme")
	// ErrTaken says that a file is set aside for another task, so that what is in its place is not it.
	ErrTaken = errors.New("it is set aside for another check")
)

// A Set are the files that are set aside for a task.
type Set struct {
	home    string
	journal journal
	// Left are the files that are left where they are, and why.
	Left map[string]error
}

// step is called by tests before each step; they end the process there.
var step = func(string) {}

// Begin sets files of a task aside, and removes those that an earlier check of it has left to be looked at.
// In the place of a file that is not there, nothing will be when the Set is put back. With an error, which
// names the file, all are where they were. A Set that is not nil must be put back. The error is ErrTaken if
// one is set aside for another task, or that of ctx.
func Begin(ctx context.Context, home, task string, files []File) (*Set, error) {
	home, err := realPath(home)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(filepath.Join(home, Folder, task)); err != nil {
		return nil, err
	}
	s := &Set{home: home, journal: journal{Task: task, Version: journalVersion}, Left: map[string]error{}}
	if err := s.plan(files); err != nil || len(s.journal.Files) == 0 {
		return s, err
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	err = s.takeAll(ctx)
	if err == nil {
		err = s.sync()
	}
	if err != nil {
		// The command has not run, so that another process has made what is where nothing was.
		s.journal.Files = slices.DeleteFunc(s.journal.Files, func(e entry) bool { return e.Absent })
		if len(s.journal.Files) == 0 {
			return nil, errors.Join(err, s.end())
		}
		_, back := s.PutBack(func(string) Fate { return Fate{} })
		return nil, errors.Join(err, back)
	}
	return s, nil
}

// takeAll sets the files of the journal aside.
func (s *Set) takeAll(ctx context.Context) error {
	// After the journal is written: of two that begin at once, at least one sees the other.
	if err := s.meetsOther(); err != nil {
		return err
	}
	for i := range s.journal.Files {
		e := &s.journal.Files[i]
		if e.Absent {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.take(ctx, e); err != nil {
			return fmt.Errorf("%s cannot be set aside: %w", e.path(), err)
		}
	}
	return nil
}

// plan fills the journal.
func (s *Set) plan(files []File) error {
	seen, above := map[string]bool{}, map[string]string{}
	for _, f := range files {
		dir, err := filepath.EvalSymlinks(filepath.Dir(f.Path))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s cannot be set aside: %w", f.Path, err)
		}
		e := entry{Dir: []byte(dir), Name: []byte(filepath.Base(f.Path)), Shown: []byte(f.Path), Copy: f.Copy, Keep: f.Keep}
		if seen[e.path()] {
			continue
		}
		seen[e.path()] = true
		var st unix.Stat_t
		err = unix.Lstat(e.path(), &st)
		if err == nil || errors.Is(err, unix.ENOENT) {
			e.Absent = err != nil
			err = s.suits(&e, &st)
		}
		switch {
		case errors.Is(err, unix.ENOTDIR):
			continue
		case errors.Is(err, ErrLeft) || errors.Is(err, ErrHome):
			s.Left[f.Path] = err
			continue
		case err != nil:
			return fmt.Errorf("%s cannot be set aside: %w", f.Path, err)
		}
		e.Dev, e.Ino = uint64(st.Dev), st.Ino
		if _, known := above[dir]; !known {
			above[dir] = folderAbove(dir)
		}
		e.Above = []byte(above[dir])
		e.Place = fmt.Sprint(len(s.journal.Files))
		s.journal.Files = append(s.journal.Files, e)
	}
	return nil
}

// suits returns why a file with a state is left where it is, and notes where a symbolic link leads.
func (s *Set) suits(e *entry, st *unix.Stat_t) error {
	if rel, err := filepath.Rel(s.home, e.path()); err == nil && filepath.IsLocal(rel) {
		return ErrHome
	}
	if e.Absent {
		return nil
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFLNK:
	default:
		return ErrLeft
	}
	// A command that writes to a link would overwrite the file behind it, or replace the link.
	var to unix.Stat_t
	switch err := unix.Stat(e.path(), &to); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil || to.Mode&unix.S_IFMT != unix.S_IFREG:
		return ErrLeft
	}
	real, err := filepath.EvalSymlinks(e.path())
	e.Link = []byte(real)
	return err
}

// prepare makes the folders in the home and writes the journal.
func (s *Set) prepare() error {
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // never fails
	s.journal.Beside = beside + hex.EncodeToString(suffix)
	if err := os.MkdirAll(s.asideDir(), 0o700); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.home, Folder, journals), 0o700); err != nil {
		return err
	}
	step("journal")
	return s.journal.write(journalPath(s.home, s.journal.Task))
}

func (s *Set) asideDir() string { return filepath.Join(s.home, Folder, asides, s.journal.Task) }

// places are where a file may be set aside, the best first: in the home; on another file system in a folder
// above its own, which the command may remove; and next to it.
func (s *Set) places(e *entry) []string {
	list := []string{filepath.Join(s.asideDir(), e.Place)}
	for _, folder := range [][]byte{e.Above, e.Dir} {
		if len(folder) > 0 {
			list = append(list, filepath.Join(string(folder), s.journal.Beside, e.Place))
		}
	}
	return list
}

// take sets one file aside.
func (s *Set) take(ctx context.Context, e *entry) error {
	dir, err := openDir(string(e.Dir))
	if err != nil {
		return err
	}
	defer dir.close()
	step("take " + e.Place)
	at, err := s.moveAside(e, dir)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil // it has just been removed
	case err != nil:
		return err
	}
	e.taken = true
	var st unix.Stat_t
	if err := unix.Lstat(at, &st); err != nil {
		return err
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFLNK || st.Ino != e.Ino {
		return fmt.Errorf("another process has just replaced it: %w", ErrLeft)
	}
	if !e.Copy {
		return nil
	}
	step("copy " + e.Place)
	content := at
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		if content = string(e.Link); content == "" {
			return nil // it leads to nothing
		}
		if err := unix.Lstat(content, &st); err != nil {
			return err
		}
	}
	if err := copyFile(ctx, content, at+copying, e.Keep, &st); err != nil {
		return fmt.Errorf("the copy for the command: %w", err)
	}
	step("copied " + e.Place)
	return dir.moveIn(at+copying, string(e.Name))
}

// moveAside renames a file to the first of its places that can be, and returns that.
func (s *Set) moveAside(e *entry, dir *dirHandle) (at string, err error) {
	for i, place := range s.places(e) {
		if i > 0 {
			if err := os.Mkdir(filepath.Dir(place), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
				return "", err
			}
		}
		at = place
		if err = dir.moveOut(string(e.Name), at); !errors.Is(err, unix.EXDEV) {
			break
		}
	}
	return at, err
}

// copying ends the name of a copy that is being made.
const copying = ".copy"

// Path returns where the content is now of a file that was set aside, and "" for another one.
func (s *Set) Path(path string) string {
	for i := range s.journal.Files {
		if e := &s.journal.Files[i]; string(e.Shown) == path {
			if len(e.Link) > 0 {
				return string(e.Link)
			}
			return s.place(e)
		}
	}
	return ""
}

// place returns where a file is set aside, "" if it is not.
func (s *Set) place(e *entry) string {
	for _, at := range s.places(e) {
		var st unix.Stat_t
		if unix.Lstat(at, &st) == nil {
			return at
		}
	}
	return ""
}

// sync has the kernel write the folders that were changed.
func (s *Set) sync() error {
	done := map[string]bool{}
	for i := range s.journal.Files {
		e := &s.journal.Files[i]
		folders := []string{string(e.Dir)}
		for _, at := range s.places(e) {
			folders = append(folders, filepath.Dir(at))
		}
		for _, dir := range folders {
			if done[dir] {
				continue
			}
			done[dir] = true
			if err := syncDir(dir); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) && !errors.Is(err, unix.ENOTDIR) {
				return err
			}
		}
	}
	return nil
}
