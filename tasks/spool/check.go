package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"

	"qme/record"
)

// Check looks for what no command will deal with by itself. Of problems each says what
// it is and what to do; notes are of runs that may be going on elsewhere. Entries that
// Take returns are not its matter.
func (s *Spool) Check() (problems []error, notes []string, err error) {
	names, err := s.names()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		id, err := record.ParseID(name)
		switch {
		case err == nil:
			note, err := s.checkEntry(path, id)
			if err != nil {
				problems = append(problems, err)
			} else if note != "" {
				notes = append(notes, note)
			}
		case name != lostDir && !strings.HasPrefix(name, newPrefix):
			problems = append(problems, fmt.Errorf("%s is not of the spool: move it to another folder, or remove it", path))
		}
	}
	return problems, notes, nil
}

// checkEntry says what is wrong with an entry that another process has, or may have.
func (s *Spool) checkEntry(dir string, id record.ID) (note string, err error) {
	v, err := s.look(dir)
	if err != nil {
		return "", fmt.Errorf("task %s: whether it is running cannot be told: %w; make %s readable", id, err, dir)
	}
	_, err = readRecord(s.fs, dir, id)
	switch {
	case v == dead, errors.Is(err, record.ErrNotFound):
		return "", nil // Take's matter, or being removed
	case err != nil && v == alive:
		return "", fmt.Errorf("the record of an uncommitted run cannot be read: %w; it is written again when the run ends", err)
	case err != nil:
		return "", fmt.Errorf("the record of a run cannot be read: %w; if %s is gone, move the folder %s elsewhere", err, s.ownerOf(dir), dir)
	case v == unknown && !s.over(dir, id):
		return fmt.Sprintf("task %s: whether it is running cannot be told on this machine; if %s is gone, remove %s, and the next command commits what there is",
			id, s.ownerOf(dir), filepath.Join(dir, lockFile)), nil
	}
	return "", nil
}

// ownerOf names for people the process that a lock names.
func (s *Spool) ownerOf(dir string) string {
	o, err := s.readOwner(dir)
	if err != nil {
		return "its process"
	}
	return fmt.Sprintf("process %d of host %q", o.PID, o.Host)
}

func (s *Spool) readOwner(dir string) (o owner, err error) {
	f, err := s.fs.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return owner{}, err
	}
	o, err = readOwner(f)
	return o, errors.Join(err, f.Close())
}

// Owner returns the number of the process that records an uncommitted run, as its own machine counts
// them; 0 when that is not known.
func (s *Spool) Owner(id record.ID) int {
	o, err := s.readOwner(filepath.Join(s.dir, string(id)))
	if err != nil {
		return 0 // it has just ended
	}
	return o.PID
}

// lostDir holds what is left of runs whose record is gone.
const lostDir = "lost"

// ErrEmpty says that the record of an entry has no content, as a power cut leaves a file
// that was not flushed.
var ErrEmpty = errors.New("the record is empty")

// SetAside ends an entry without a record: its output, where any had arrived, is moved to
// the folder that is returned, else "". The entry is closed.
func (e *Entry) SetAside() (where string, err error) {
	infos, err := afero.ReadDir(e.fs, e.dir)
	if err != nil {
		return "", errors.Join(err, e.Close())
	}
	output := false
	for _, info := range infos {
		stream := strings.HasPrefix(info.Name(), string(record.Stdout)) || strings.HasPrefix(info.Name(), string(record.Stderr))
		output = output || stream && info.Mode().IsRegular() && info.Size() > 0
	}
	if !output {
		return "", e.Remove()
	}
	lost := filepath.Join(e.s.dir, lostDir)
	if err := e.fs.MkdirAll(lost, 0o700); err != nil {
		return "", errors.Join(err, e.Close())
	}
	for n := 1; ; n++ { // a rerun of the task may end likewise
		where = filepath.Join(lost, fmt.Sprintf("%s.%d", e.id, n))
		if err = e.s.rename(e.dir, where); !errors.Is(err, fs.ErrExist) {
			return where, errors.Join(err, e.Close())
		}
	}
}
