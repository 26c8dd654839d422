package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/executor/capture"
	"qme/record"
)

// Queued returns where the folder of a task of the queue is while its run is in the spool: see package
// waiting. Nothing is there for a run that is none of the queue.
func (e *Entry) Queued() string { return filepath.Join(e.dir, queuedDir) }

// HasQueued reports whether there is such a folder, which makes the run one of the queue.
func (e *Entry) HasQueued() bool { return hasQueued(e.fs, e.dir) }

func hasQueued(fsys afero.Fs, dir string) bool {
	info, err := lstat(fsys, filepath.Join(dir, queuedDir))
	return err == nil && info.IsDir()
}

// QueuedOf is Queued for an uncommitted run of any process, "" if it is none of the queue.
func (s *Spool) QueuedOf(id record.ID) string {
	dir := filepath.Join(s.dir, string(id))
	if !hasQueued(s.fs, dir) {
		return ""
	}
	return filepath.Join(dir, queuedDir)
}

// Starts notes that the command is about to start: from now on the run may have happened, although its
// record does not say so yet.
func (e *Entry) Starts() error {
	f, err := e.fs.OpenFile(filepath.Join(e.dir, startedFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// MayHaveStarted reports whether Starts was called for the run.
func (e *Entry) MayHaveStarted() bool {
	_, err := lstat(e.fs, filepath.Join(e.dir, startedFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// MoveQueued renames the folder Queued, unless the entry has been removed meanwhile, as another process
// may do on a file system without locks. Then the error wraps fs.ErrNotExist.
func (e *Entry) MoveQueued(to string) error {
	if _, ok := e.fs.(*afero.MemMapFs); ok {
		return e.s.rename(e.Queued(), to)
	}
	// Another run of the task may have an entry at the same path. The open folder is that of this one.
	root, err := openFolder(e.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	now, err := root.Stat(lockFile)
	if err != nil {
		return err
	}
	if mine, err := e.lock.Stat(); err != nil || !os.SameFile(now, mine) {
		return errors.Join(err, &fs.PathError{Op: "rename", Path: e.Queued(), Err: syscall.ENOENT})
	}
	folder, err := root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Renameat(int(folder.Fd()), queuedDir, unix.AT_FDCWD, to); err != nil {
		return &os.LinkError{Op: "rename", Old: e.Queued(), New: to, Err: err}
	}
	return nil
}

// Rebooted reports whether the machine has been started again since the process died that recorded the
// run, or it was another machine.
func (e *Entry) Rebooted() bool {
	o, err := readOwner(e.lock)
	return err == nil && o.Boot != "" && o.Boot != e.s.me().Boot
}

// Unsupervised reports whether processes of a run are alive whose recording process is dead: those of
// its session or its process group, and those that have the variable QME_RUN of the run in their
// environment. Where this cannot be told, as in another container than that of the run, they are taken to
// be alive.
func (e *Entry) Unsupervised() (bool, error) {
	return e.s.unsupervised(e.dir, e.id)
}

func (s *Spool) unsupervised(dir string, id record.ID) (bool, error) {
	left, hidden, err := s.left(dir, id)
	if err != nil || left == nil {
		return false, err
	}
	return hidden || left.Alive(), nil
}

// left returns the processes that may be left of a run of the queue whose recording process is dead; nil
// if there are none for sure: the machine was started again, or the command has ended. hidden says that
// there may be others, which this process does not see.
func (s *Spool) left(dir string, id record.ID) (left *capture.Left, hidden bool, err error) {
	o, err := s.readOwner(dir)
	if err != nil {
		return nil, false, err
	}
	me := s.me()
	if o.Boot != "" && o.Boot != me.Boot || s.over(dir, id) {
		return nil, false, nil
	}
	variable := ""
	if rec, err := readRecord(s.fs, dir, id); err == nil && rec.Data.RunID != "" {
		variable = runVariable + "=" + string(rec.Data.RunID)
	}
	if o.Space != me.Space {
		hidden, o.PID = !seesAll(me.Space), 0
	}
	return capture.NewLeft(o.PID, o.born(), variable), hidden, nil
}

// runVariable is the environment variable with the name of the run.
const runVariable = "QME_RUN"

// EndUnsupervised ends the processes of a run whose recording process is dead, and returns when they
// have ended: they get SIGTERM, and after grace SIGKILL.
func (s *Spool) EndUnsupervised(id record.ID, grace time.Duration) error {
	left, _, err := s.left(filepath.Join(s.dir, string(id)), id)
	if err == nil && left != nil {
		<-left.End(grace)
	}
	return err
}

// Supervised is Running, but false also while another process looks whether anything is left of a run whose recording
// process is dead, for which it locks the entry.
func (s *Spool) Supervised(id record.ID) (bool, error) {
	running, err := s.Running(id)
	if err != nil || !running {
		return running, err
	}
	o, err := s.readOwner(filepath.Join(s.dir, string(id)))
	return err != nil || !o.gone(s.me()), nil // a run that has just ended has no owner
}

// SteerUnsupervised has the processes of a run whose recording process is dead stand still or go on, as Tell with WordStop
// or WordContinue has that process do it. The error wraps record.ErrNotFound if a process records a run of the task, or
// nothing is left of it.
func (s *Spool) SteerUnsupervised(id record.ID, word Word) error {
	left, _, err := s.left(filepath.Join(s.dir, string(id)), id)
	if errors.Is(err, fs.ErrNotExist) || err == nil && left == nil {
		return fmt.Errorf("task %s is not running: %w", id, record.ErrNotFound)
	} else if err != nil {
		return err
	}
	if running, err := s.Supervised(id); err != nil { // after that look: then what is left is not of its run
		return err
	} else if running {
		return fmt.Errorf("task %s is supervised: %w", id, record.ErrNotFound)
	}
	switch word {
	case WordStop:
		left.Stop()
	case WordContinue:
		left.Continue()
	}
	return nil
}

// StandsStill reports whether processes of a run are alive whose recording process is dead, and all of them stand still.
func (s *Spool) StandsStill(id record.ID) bool {
	left, _, err := s.left(filepath.Join(s.dir, string(id)), id)
	return err == nil && left != nil && left.Still()
}
