package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/afero"

	"qme/record"
)

// Check reports entries that need attention from the user. Each problem names the fault and the
// remedy; notes are about runs that may be active on another machine. Check skips entries that
// Take returns.
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

// checkEntry reports a problem, or a note, about an entry that another process owns or may own.
func (s *Spool) checkEntry(dir string, id record.ID) (note string, err error) {
	v, err := s.look(dir)
	if err != nil {
		return "", fmt.Errorf("task %s: whether it is running cannot be told: %w; make %s readable", id, err, dir)
	}
	_, err = readRecord(s.fs, dir, id)
	switch {
	case v == dead && err == nil && hasQueued(s.fs, dir):
		return s.unsupervisedNote(dir, id), nil
	case v == dead, errors.Is(err, record.ErrNotFound):
		return "", nil // left to Take, or being removed
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

// unsupervisedNote returns a note about a run of the queue that goes on although the process that records it is dead, ""
// if it does not.
func (s *Spool) unsupervisedNote(dir string, id record.ID) string {
	if alive, err := s.unsupervised(dir, id); err != nil || !alive {
		return "" // left to Take
	}
	state, way := "is running", ""
	if s.StandsStill(id) {
		state, way = "stands still", `"qme queue resume" has it go on, and `
	}
	return fmt.Sprintf("task %s: its command %s, and the process that recorded it was killed; %s\"qme cancel %s\" ends it", id, state, way, id)
}

// ownerOf describes the process that a lock file names, for a message.
func (s *Spool) ownerOf(dir string) string {
	o, err := s.readOwner(dir)
	if err != nil {
		return "its process"
	}
	return fmt.Sprintf("process %d of host %q", o.PID, o.Host)
}

func (s *Spool) readOwner(dir string) (o owner, err error) {
	f, err := openIn(s.fs, dir, lockFile, os.O_RDONLY)
	if err != nil {
		return owner{}, err
	}
	o, err = readOwner(f)
	return o, errors.Join(err, f.Close())
}

// Owner returns the process id of the process that records an uncommitted run, as seen on its
// own machine, or 0 when it is unknown.
func (s *Spool) Owner(id record.ID) int {
	o, err := s.readOwner(filepath.Join(s.dir, string(id)))
	if err != nil {
		return 0 // the run has just ended
	}
	return o.PID
}

// lostDir holds the output of runs whose record is lost.
const lostDir = "lost"

// ErrEmpty says that the record of an entry has no content. A power cut can leave a file like
// this if it was not flushed.
var ErrEmpty = errors.New("the record is empty")

// SetAside ends an entry that has no record, and closes it. If the entry has output, SetAside
// moves its folder and returns the new path; otherwise it deletes the entry and returns "".
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
	for n := 1; ; n++ { // an earlier run of the task may have been set aside too
		where = filepath.Join(lost, fmt.Sprintf("%s.%d", e.id, n))
		if err = e.s.rename(e.dir, where); !errors.Is(err, fs.ErrExist) {
			return where, errors.Join(err, e.Close())
		}
	}
}
