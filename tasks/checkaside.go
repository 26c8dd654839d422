package tasks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"qme/internal/procfs"
	"qme/provenance"
	"qme/provenance/aside"
	"qme/record"
)

// Why an output of the reference is left where it is while it is checked.
var (
	errOutside = errors.New("it is not below the directory of the run, and the command line does not name it")
	errGit     = errors.New("it belongs to the repository of git")
	errName    = errors.New("its name is not recorded exactly")
)

// setAside sets the outputs of the reference aside. named are the files that the command line names, and
// dir is where the command runs. What a record says is not enough to move a file: it may be somebody
// else's.
func (c *checking) setAside(ctx context.Context, q *Service, id record.ID, dir string, named *provenance.Watch) error {
	c.left, c.states, c.fates = map[string]error{}, map[string]aside.State{}, map[string]aside.Do{}
	var files []aside.File
	if c.files != nil {
		ins := map[string]bool{}
		for _, f := range c.files.In {
			ins[f.Path] = true
		}
		inside, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return err
		}
		for _, f := range c.files.Out {
			if f.By == record.ByStdio {
				continue // it is output, which the record has
			}
			if c.sandbox != nil && c.sandbox.inside(c.ref.Record.Data.PWD, f.Path) != "" {
				continue // what the command makes there is not where the user's file is
			}
			path := pathIn(dir, f.Path)
			if why := c.mayMove(path, inside, named); why != nil {
				c.left[path] = why
				continue
			}
			if c.InPlace && isLink(path) {
				continue // the file that it leads to is to be the new one
			}
			one := aside.File{Path: path, Copy: ins[f.Path] || f.Offset > 0, Keep: -1}
			if size, begun := c.begins[f.Path]; begun {
				one.Keep = size
			} else if f.Offset > 0 {
				one.Keep = f.Offset
			}
			files = append(files, one)
		}
	}
	set, err := aside.Begin(ctx, q.Home, string(id), files)
	switch {
	case errors.Is(err, aside.ErrTaken):
		return fmt.Errorf("task %s: %w: %w", id, err, record.ErrConflict)
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("task %s: files that an earlier check has set aside are not back yet: %w", id, record.ErrConflict)
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil && c.InPlace:
		q.Warn("the command overwrites files that cannot be kept: %v", err)
		set = new(aside.Set)
	case err != nil:
		return fmt.Errorf("task %s: the command would overwrite files that cannot be kept (%w); with --in-place it may: %w", id, err, record.ErrConflict)
	}
	c.set = set
	for path, why := range set.Left {
		c.left[path] = why
	}
	for _, f := range files {
		if c.left[f.Path] == nil {
			c.states[f.Path] = aside.State{}
		}
	}
	return nil
}

func isLink(path string) bool {
	st, err := os.Lstat(path)
	return err == nil && st.Mode()&os.ModeSymlink != 0
}

// pathIn returns the path of a file of a record whose run took place in a directory.
func pathIn(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

// mayMove returns why an output of the reference must not be moved, or nil. inside is the directory of the
// run without symbolic links.
func (c *checking) mayMove(path, inside string, named *provenance.Watch) error {
	if Exact(c.ref.Record.UID, path) != nil {
		return errName
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil // neither is the file
	}
	if err != nil {
		return err
	}
	real := filepath.Join(folder, filepath.Base(path))
	switch rel, err := filepath.Rel(inside, real); {
	case slices.Contains(strings.Split(real, string(filepath.Separator)), ".git"):
		return errGit
	case err == nil && filepath.IsLocal(rel):
		return nil
	case c.own && named.NamesFile(path):
		return nil // the command that the user has given names it
	}
	return errOutside
}

// putBackDead puts back what a check of a task has set aside whose process has died. run is its name, "" if
// that is not known.
func (q *Service) putBackDead(id record.ID, run record.RunID) error {
	set, err := aside.Recover(q.Home, string(id))
	boxes := q.sandboxesOf(id)
	if set == nil && len(boxes) == 0 {
		return err
	}
	if left := endRun(run); left > 0 {
		return fmt.Errorf("%d processes of its check do not end, so the files that it has set aside are not back yet: %w", left, record.ErrConflict)
	}
	for _, dir := range boxes {
		if err := errors.Join(forgetTree(filepath.Join(dir, "run")), removeAll(dir)); err != nil {
			q.Warn("the sandbox of a check that was cut off is not removed: %v", err)
		}
	}
	if set == nil {
		return err
	}
	rep, err := set.PutBack(func(string) aside.Fate { return aside.Fate{} })
	if rep.Back > 0 {
		q.tell("A check of task %s was cut off. The files that it had set aside are back.", id)
	}
	for _, k := range rep.New {
		q.tell("What was in the place of %s is now %s.", k.Path, k.At)
	}
	return err
}

// endRun ends the processes of a run whose qme was killed, as far as the system names them, and returns
// how many are left. What they write would otherwise reach the files of the user that are put back.
func endRun(run record.RunID) (left int) {
	const most = 2 * time.Second
	for end := time.Now().Add(most); ; time.Sleep(10 * time.Millisecond) {
		pids := processesOf(run)
		if len(pids) == 0 || time.Now().After(end) {
			return len(pids)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// processesOf returns the processes that have the name of a run in their environment, none where the system
// does not say what they have there.
func processesOf(run record.RunID) (pids []int) {
	entries, err := os.ReadDir(procfs.Root)
	if err != nil || run == "" {
		return nil
	}
	var r procfs.Reader
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || !r.HasVariable(pid, RunVariable+"="+string(run)) {
			continue
		}
		if s, ok := r.Stat(pid); ok && !s.Dead() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// putBackFirst puts back what checks have set aside which were cut off, before a command runs that may use
// these files, or write to them. Where there is none it costs a look at one folder, which is not there.
func (q *Service) putBackFirst(ctx context.Context) {
	pending, err := aside.Pending(q.Home)
	if err == nil && len(pending) == 0 {
		return
	}
	soon, cancel := context.WithTimeout(ctx, recoveryTime)
	defer cancel()
	if err := errors.Join(err, q.Recover(soon)); err != nil && !errors.Is(err, record.ErrBusy) {
		q.Warn("%v", err)
	}
}

// putBackLost puts back what checks have set aside of whose run nothing is in the spool. Where there is
// none it costs a look at one folder, which is not there.
func (q *Service) putBackLost() error {
	tasks, err := aside.Pending(q.Home)
	var errs []error
	for _, name := range tasks {
		id, perr := record.ParseID(name)
		if perr != nil {
			errs = append(errs, perr)
			continue
		}
		if _, serr := q.Spool.Get(id, 0); !errors.Is(serr, record.ErrNotFound) {
			continue // it is running, or is recovered with its run
		}
		errs = append(errs, q.putBackDead(id, ""))
	}
	return errors.Join(append(errs, err)...)
}
