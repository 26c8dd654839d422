package aside

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"qme/internal/room"
)

// A Fate is what becomes of a file that is in the place of one that was set aside. A copy that the command
// has not changed is removed in any case.
type Fate struct {
	Do Do
	// Was is the state in which the file was looked at. One that has another state now is kept, unless it
	// is to Stay.
	Was State
}

// Do is what is done with a file.
type Do int

// The values of Do.
const (
	Keep   Do = iota // it is kept in the home, where no later check removes it
	Show             // it is left in the folder of the task in the home, until the next check of that task
	Remove           // it is removed
	Stay             // it stays where it is, and the one that was set aside is removed
)

// A State tells whether a file is still the one that it was.
type State struct {
	Ino         uint64
	Size        int64
	Nanoseconds int64 // of the time of its content
}

// StateOf returns the state of the file at a path, without following a link.
func StateOf(path string) (State, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return State{}, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return stateOf(&st), nil
}

func stateOf(st *unix.Stat_t) State { return State{st.Ino, st.Size, modified(st)} }

// A Kept is a file that lies elsewhere than it was.
type Kept struct {
	Path string // where it was
	At   string // where it is
	// Changed says that it is another one than was looked at: another process has replaced it, or written to
	// it, meanwhile.
	Changed bool
}

// A Report says what has become of the files.
type Report struct {
	Back int // how many are where they were
	// New are the files that the command, or another process, had put in their places.
	New []Kept
	// Stuck are those that could not be put back, each with the reason in the error that PutBack returns.
	Stuck []Kept
}

// PutBack puts back all files that were set aside, and ends the Set. fate says what becomes of a file that
// lies in the place of one of them, by its path. A file that cannot be put back, because its folder cannot
// be made again or a folder has its name, is kept in the home, and named in Report.Stuck and in the error.
// Any other error leaves the journal, so that a further call, or another process, can go on.
func (s *Set) PutBack(fate func(path string) Fate) (rep Report, err error) {
	if len(s.journal.Files) == 0 {
		return rep, nil
	}
	var stuck, failed []error
	for i := range s.journal.Files {
		e := &s.journal.Files[i]
		at := s.place(e)
		if at == "" && e.taken {
			stuck = append(stuck, fmt.Errorf("%s was set aside in %s, and something has removed it there: %w", e.Shown, s.places(e)[0], os.ErrNotExist))
			continue
		}
		if at == "" && !e.Absent {
			continue // it is back already, or was never set aside
		}
		step("back " + e.Place)
		var err error
		if e.Absent {
			err = s.clear(e, fate(string(e.Shown)), &rep)
		} else {
			err = s.back(e, at, fate(string(e.Shown)), &rep)
		}
		e.taken = e.taken && err != nil
		var lost *stuckError
		switch {
		case errors.As(err, &lost):
			if err := s.keep(e, at, &rep); err != nil {
				failed = append(failed, fmt.Errorf("%s, which is in %s: %w", e.Shown, at, errors.Join(lost, err)))
				continue
			}
			e.taken = false
			stuck = append(stuck, fmt.Errorf("%s could not be put back, and is now %s: %w", e.Shown, rep.Stuck[len(rep.Stuck)-1].At, lost.err))
		case err != nil:
			failed = append(failed, fmt.Errorf("%s could not be put back, and is in %s: %w", e.Shown, at, err))
		}
	}
	if len(failed) == 0 {
		failed = append(failed, s.end())
	}
	return rep, errors.Join(append(stuck, failed...)...)
}

// end removes the journal and the folders, once the files are on disk where they were.
func (s *Set) end() error {
	if err := s.sync(); err != nil {
		return err
	}
	step("end")
	for i := range s.journal.Files {
		e := &s.journal.Files[i]
		for n, at := range s.places(e) {
			if err := os.Remove(at + copying); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
				return err
			}
			if n > 0 { // it is not empty if a file in it has been kept there
				_ = unix.Rmdir(filepath.Dir(at))
			}
		}
	}
	if err := os.Remove(s.asideDir()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	step("remove")
	if err := os.Remove(journalPath(s.home, s.journal.Task)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.journal.Files = nil
	return syncDir(filepath.Join(s.home, Folder, journals))
}

// A stuckError says why a file cannot be put back, now and later.
type stuckError struct{ err error }

func (e *stuckError) Error() string { return e.err.Error() }

func (e *stuckError) Unwrap() error { return e.err }

// tries is how often other processes may put a file in the place of one that is being put back.
const tries = 20

func (s *Set) back(e *entry, at string, fate Fate, rep *Report) error {
	dir, err := openDirAgain(string(e.Dir))
	if err != nil {
		return err
	}
	defer dir.close()
	for range tries {
		var st unix.Stat_t
		err := unix.Fstatat(dir.fd, string(e.Name), &st, unix.AT_SYMLINK_NOFOLLOW)
		regular := st.Mode&unix.S_IFMT == unix.S_IFREG
		switch {
		case err != nil && !errors.Is(err, unix.ENOENT):
			return err
		case err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
			return &stuckError{fmt.Errorf("a folder is there now: %w", unix.EISDIR)}
		case err == nil && regular && e.unchanged(at, &st):
			if err := s.moveAway(e, dir, Fate{Do: Remove, Was: stateOf(&st)}, rep); err != nil {
				return err
			}
		case err == nil && regular && fate.Do == Stay:
			return os.Remove(at)
		case err == nil:
			if err := s.moveAway(e, dir, fate, rep); err != nil {
				return err
			}
		}
		step("in " + e.Place)
		err = dir.moveIn(at, string(e.Name))
		if err == nil {
			rep.Back++
			return nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	return fmt.Errorf("other processes write it again and again: %w", unix.EEXIST)
}

// clear takes away what is in the place of a file that was not there, if it is as it was when it was looked
// at. Anything else may be that of another process, and stays.
func (s *Set) clear(e *entry, fate Fate, rep *Report) error {
	dir, err := openDir(string(e.Dir))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil // nothing can be there
	}
	if err != nil {
		return err
	}
	defer dir.close()
	var st unix.Stat_t
	err = unix.Fstatat(dir.fd, string(e.Name), &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	case fate.Do != Show && fate.Do != Remove || st.Mode&unix.S_IFMT != unix.S_IFREG || stateOf(&st) != fate.Was:
		return nil
	}
	return s.moveAway(e, dir, fate, rep)
}

// unchanged reports whether a file is a copy that was left for the command, and is still as it was: a
// program that writes to it changes its time.
func (e *entry) unchanged(at string, now *unix.Stat_t) bool {
	var was unix.Stat_t
	if len(e.Link) > 0 {
		at = string(e.Link)
	}
	if !e.Copy || unix.Lstat(at, &was) != nil {
		return false
	}
	size := was.Size
	if e.Keep >= 0 {
		size = min(size, e.Keep)
	}
	return now.Size == size && modified(now) == modified(&was)
}

// moveAway takes away what is in the place of a file that was set aside.
func (s *Set) moveAway(e *entry, dir *dirHandle, fate Fate, rep *Report) error {
	shown, folder := filepath.Join(s.home, Folder, s.journal.Task), filepath.Join(s.home, Folder, kept, s.journal.Task)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	to, err := dir.moveOutAs(string(e.Name), folder)
	for _, place := range s.places(e)[1:] {
		if !errors.Is(err, unix.EXDEV) {
			break
		}
		_ = unix.Rmdir(folder)
		folder = filepath.Dir(place) // the home is on another file system
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		to, err = dir.moveOutAs(string(e.Name), folder)
	}
	if err != nil {
		return err
	}
	step("away " + e.Place)
	now, err := StateOf(to)
	if err != nil {
		return err
	}
	as := now == fate.Was
	switch {
	case as && fate.Do == Remove:
		err = os.Remove(to)
	case as && fate.Do == Show:
		if to, err = show(to, filepath.Join(shown, string(e.Name))); err == nil {
			rep.New = append(rep.New, Kept{Path: string(e.Shown), At: to})
		}
	default:
		rep.New = append(rep.New, Kept{Path: string(e.Shown), At: to, Changed: fate.Do != Keep})
	}
	_ = unix.Rmdir(folder) // unless something is in it
	return err
}

// mostCopied is the size of the largest file that is brought into the home from another file system.
const mostCopied = 64 << 20

// show moves a file to a path in the home, or one like it, and returns where it is then: a large file of
// another file system stays where it is.
func show(from, to string) (string, error) {
	folder := filepath.Dir(to)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return from, err
	}
	dir, err := openDir(filepath.Dir(from))
	if err != nil {
		return from, err
	}
	defer dir.close()
	at, err := dir.moveOutTo(filepath.Base(from), folder, filepath.Base(to))
	if !errors.Is(err, unix.EXDEV) {
		return at, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil || st.Size > mostCopied || !room.Spare(folder) || copyFile(context.Background(), from, at, -1, &st) != nil {
		_ = unix.Rmdir(folder)
		return from, err
	}
	return at, os.Remove(from)
}

// keep keeps a file that cannot be put back.
func (s *Set) keep(e *entry, at string, rep *Report) error {
	folder := filepath.Join(s.home, Folder, kept, s.journal.Task)
	if filepath.Dir(at) != s.asideDir() {
		rep.Stuck = append(rep.Stuck, Kept{Path: string(e.Shown), At: at})
		return nil // it stays beside
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	from, err := openDir(filepath.Dir(at))
	if err != nil {
		return err
	}
	defer from.close()
	to, err := from.moveOutTo(filepath.Base(at), folder, string(e.Name))
	if err == nil {
		rep.Stuck = append(rep.Stuck, Kept{Path: string(e.Shown), At: to})
	}
	return err
}
