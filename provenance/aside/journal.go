package aside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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
	Place string `json:"place"` // its name where it is set aside
	Copy  bool   `json:"copy,omitempty"`
	Keep  int64  `json:"keep,omitempty"`
	// Absent says that there was no such file.
	Absent bool `json:"absent,omitempty"`
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
	b, err := os.ReadFile(journalPath(home, task))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s := &Set{}
	if err == nil {
		s.home, err = realPath(home)
	}
	if err == nil {
		err = json.Unmarshal(b, &s.journal)
	}
	if err == nil && (s.journal.Version != journalVersion || s.journal.Task != task) {
		err = fmt.Errorf("version %d of task %.80q", s.journal.Version, s.journal.Task)
	}
	if err != nil {
		return nil, fmt.Errorf("which files of the user a check has set aside cannot be read: %w", err)
	}
	return s, nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
