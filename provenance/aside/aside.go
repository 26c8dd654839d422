// Package aside keeps files of the user from a command that makes them again. They are renamed to a
// folder in the home, or beside them on another file system, and put back by a rename, so that they keep
// their inode, times and links. A journal that is written before the first step says where they are, so
// that another process can put them back if this one is killed.
//
// Only regular files are moved. No symbolic link is followed, nothing is overwritten, and nothing is
// removed but what is proved to be a copy, or a file that the caller has looked at and wants to be removed.
package aside

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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

// ErrLeft says that a file is left where it is, since it is not a regular file.
var ErrLeft = errors.New("it is not a regular file")

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
// In the place of a file that is not there, nothing will be when the Set is put back. With an error, which names the file, all are where they were. A
// Set that is not nil must be put back.
func Begin(home, task string, files []File) (*Set, error) {
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
	for i := range s.journal.Files {
		e := &s.journal.Files[i]
		if e.Absent {
			continue
		}
		if err := s.take(e); err != nil {
			_, back := s.PutBack(func(string) Fate { return Fate{} })
			return nil, errors.Join(fmt.Errorf("%s cannot be set aside: %w", e.path(), err), back)
		}
	}
	return s, s.sync()
}

// plan fills the journal.
func (s *Set) plan(files []File) error {
	seen := map[string]bool{}
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
		switch err = unix.Lstat(e.path(), &st); {
		case errors.Is(err, unix.ENOENT):
			e.Absent = true
		case errors.Is(err, unix.ENOTDIR):
			continue
		case err != nil:
			return fmt.Errorf("%s cannot be set aside: %w", f.Path, err)
		case st.Mode&unix.S_IFMT != unix.S_IFREG: // not that of one that is absent
			s.Left[f.Path] = ErrLeft
			continue
		}
		e.Dev, e.Ino = uint64(st.Dev), st.Ino
		e.Place = fmt.Sprint(len(s.journal.Files))
		s.journal.Files = append(s.journal.Files, e)
	}
	return nil
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

// homePlace and besidePlace are where a file may be set aside.
func (s *Set) homePlace(e *entry) string { return filepath.Join(s.asideDir(), e.Place) }

func (s *Set) besidePlace(e *entry) string {
	return filepath.Join(string(e.Dir), s.journal.Beside, e.Place)
}

// take sets one file aside.
func (s *Set) take(e *entry) error {
	dir, err := openDir(string(e.Dir))
	if err != nil {
		return err
	}
	defer dir.close()
	step("take " + e.Place)
	at := s.homePlace(e)
	err = dir.moveOut(string(e.Name), at)
	if errors.Is(err, unix.EXDEV) {
		at = s.besidePlace(e)
		if err = os.Mkdir(filepath.Dir(at), 0o700); err == nil || errors.Is(err, os.ErrExist) {
			err = dir.moveOut(string(e.Name), at)
		}
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil // it has just been removed
	case err != nil:
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(at, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Ino != e.Ino {
		return fmt.Errorf("another process has just replaced it: %w", ErrLeft)
	}
	if !e.Copy {
		return nil
	}
	step("copy " + e.Place)
	if err := copyFile(at, at+copying, e.Keep, &st); err != nil {
		return fmt.Errorf("the copy for the command: %w", err)
	}
	step("copied " + e.Place)
	return dir.moveIn(at+copying, string(e.Name))
}

// copying ends the name of a copy that is being made.
const copying = ".copy"

// Path returns where a file is now that was set aside, and "" for another one.
func (s *Set) Path(path string) string {
	for i := range s.journal.Files {
		if e := &s.journal.Files[i]; string(e.Shown) == path {
			return s.place(e)
		}
	}
	return ""
}

// place returns where a file is set aside, "" if it is not.
func (s *Set) place(e *entry) string {
	for _, at := range []string{s.homePlace(e), s.besidePlace(e)} {
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
	for _, e := range s.journal.Files {
		for _, dir := range []string{string(e.Dir), s.asideDir(), filepath.Join(string(e.Dir), s.journal.Beside)} {
			if done[dir] {
				continue
			}
			done[dir] = true
			if err := syncDir(dir); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
				return err
			}
		}
	}
	return nil
}
