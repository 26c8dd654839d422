package aside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/internal/wholefile"
)

const journalVersion = 1

// A journal says which files are set aside. It lies in the home, to which nobody else can write.
type journal struct {
	Version int     `json:"version"`
	Task    string  `json:"task"`
	Beside  string  `json:"beside"` // the name of folders for files on other file systems
	Files   []entry `json:"files"`
}

// An entry is one file. Names are bytes, since not all are UTF-8.
type entry struct {
	Dir   []byte `json:"dir"` // its folder, without symbolic links
	Name  []byte `json:"name"`
	Shown []byte `json:"shown"` // its path as it was given
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	Link  []byte `json:"link,omitempty"`  // the file to which it leads if it is a symbolic link
	Above []byte `json:"above,omitempty"` // the folder for it on another file system than the home
	Place string `json:"place"`           // its name where it is set aside
	Copy  bool   `json:"copy,omitempty"`
	Keep  int64  `json:"keep,omitempty"`
	// Absent says that there was no such file.
	Absent bool `json:"absent,omitempty"`

	taken bool // by this process, and not back yet
}

func (e *entry) path() string { return filepath.Join(string(e.Dir), string(e.Name)) }

func journalPath(home, task string) string { return filepath.Join(home, Folder, journals, task) }

// write has the journal on disk when it returns.
func (j *journal) write(path string) error {
	b, err := json.Marshal(j)
	if err != nil {
		return err
	}
	// One that a process has left which was killed is written again.
	f, err := os.OpenFile(filepath.Join(filepath.Dir(path), ".new-"+j.Task), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = rename(unix.AT_FDCWD, f.Name(), unix.AT_FDCWD, path) // two checks of a task never share a journal
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return errors.Join(syncDir(filepath.Dir(path)), syncDir(filepath.Dir(filepath.Dir(path))))
}

// Pending lists the tasks of which files are set aside. It costs a look at one folder, which is not there
// in most homes.
func Pending(home string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(home, Folder, journals))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var tasks []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			tasks = append(tasks, e.Name())
		}
	}
	return tasks, err
}

// Recover returns the files of a task that a process has set aside which has died, nil for none. They must
// be put back.
func Recover(home, task string) (*Set, error) {
	j, err := readJournal(home, task)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s := &Set{}
	if err == nil {
		s.journal = *j
		s.home, err = realPath(home)
	}
	if err != nil {
		at := filepath.Join(home, Folder, asides, task)
		return nil, fmt.Errorf("which files of the user a check has set aside in %s cannot be read: %s: %w", at, journalPath(home, task), err)
	}
	return s, nil
}

func readJournal(home, task string) (*journal, error) {
	b, err := os.ReadFile(journalPath(home, task))
	if err != nil {
		return nil, err
	}
	var j journal
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, err
	}
	if j.Version != journalVersion || j.Task != task {
		return nil, fmt.Errorf("version %d of task %.80q", j.Version, j.Task)
	}
	if err := j.valid(); err != nil {
		return nil, err
	}
	return &j, nil
}

// valid returns an error if a journal, which somebody may have edited, names files elsewhere than in the
// folders for them.
func (j *journal) valid() error {
	if !strings.HasPrefix(j.Beside, beside) || strings.Contains(j.Beside, "/") {
		return fmt.Errorf("the folder %.80q", j.Beside)
	}
	for i := range j.Files {
		e := &j.Files[i]
		for _, dir := range []string{string(e.Dir), string(e.Above), string(e.Link)} {
			if dir != "" && (!filepath.IsAbs(dir) || filepath.Clean(dir) != dir) {
				return fmt.Errorf("the folder %.80q", dir)
			}
		}
		name := string(e.Name)
		if _, err := strconv.ParseUint(e.Place, 10, 32); err != nil || len(e.Dir) == 0 || name == "." || !filepath.IsLocal(name) || filepath.Base(name) != name {
			return fmt.Errorf("the file %.80q at %.80q", name, e.Place)
		}
	}
	return nil
}

// meetsOther returns ErrTaken if a file is in the journal of another task: the one that is in its place then
// is not the user's, and would be put back after it.
func (s *Set) meetsOther() error {
	tasks, err := Pending(s.home)
	if err != nil {
		return err
	}
	taken := map[string]string{}
	for _, task := range tasks {
		if task == s.journal.Task {
			continue
		}
		other, err := readJournal(s.home, task)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return err
		}
		for i := range other.Files {
			taken[other.Files[i].path()] = task
		}
	}
	for i := range s.journal.Files {
		e := &s.journal.Files[i]
		if task := taken[e.path()]; task != "" {
			return fmt.Errorf("%s: %w, of task %s", e.Shown, ErrTaken, task)
		}
	}
	return nil
}

// syncDir flushes a folder to disk.
func syncDir(dir string) error { return wholefile.FlushFolder(afero.NewOsFs(), dir) }
