package tasks

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"qme/executor"
	"qme/gitstore/worktree"
	"qme/provenance"
	"qme/record"
)

// codeTime is how long is waited at most, from the beginning of a run, for what is found of the
// repository of its script. The difference of its working tree has a shorter limit of its own.
const codeTime = time.Second

// A foundCode is the repository of the script of a run, which is looked at beside the command. A nil
// foundCode finds nothing.
type foundCode struct {
	deadline time.Time
	done     chan struct{} // closed when the rest is set
	git      *record.Git   // nil if there is none
	patch    *takenPatch
}

// findCode begins to look for the repository in which the script of a command lies, or its program.
func (q *Service) findCode(name, dir string, argv []string) *foundCode {
	if len(argv) == 0 {
		return nil
	}
	c := &foundCode{deadline: time.Now().Add(codeTime), done: make(chan struct{})}
	of, _ := q.executor(name).(executor.Scripted)
	go func() {
		defer close(c.done)
		git, finding := q.codeOf(of, dir, argv)
		if git == nil {
			return
		}
		taken := q.takePatch(record.PartCodePatch, git, finding, filepath.Dir(git.Path))()
		taken.hash(q.Settings.Hashes)
		c.git, c.patch = git, taken
	}()
	return c
}

// wait reports whether what there is has been found, now or before the time is over.
func (c *foundCode) wait() bool {
	select {
	case <-c.done:
		return true
	default:
	}
	select {
	case <-c.done:
		return true
	case <-time.After(time.Until(c.deadline)):
		return false
	}
}

// put puts what was found into a record of the run.
func (c *foundCode) put(r *run, rec *record.Record) {
	if c == nil || !c.wait() || c.git == nil {
		return
	}
	git := *c.git
	c.patch.begin(r, &git)
	r.mask.code(&git)
	rec.Data.Code = &git
}

// end is put for a run that has ended.
func (c *foundCode) end(r *run) {
	if c != nil && c.wait() && c.patch != nil {
		c.patch.last = true
	}
	if c.put(r, r.rec); r.rec.Data.Code != nil {
		c.patch.end(r, r.rec.Data.Code)
	}
}

// codeOf returns the state of the first repository with a file that has the code of a command, other
// than that of the directory; nil if there is none.
func (q *Service) codeOf(of executor.Scripted, dir string, argv []string) (*record.Git, worktree.Finding) {
	scripts := provenance.Scripts(provenance.Command{Dir: dir, Argv: argv, Env: os.Environ()})
	if of != nil {
		if path := of.Script(argv, dir).Path; path != "" {
			if real, err := filepath.EvalSymlinks(path); err == nil {
				scripts = append([]string{real}, scripts...)
			}
		}
	}
	here, looked := q.looked.find(dir), []string{}
	for _, path := range scripts {
		in := filepath.Dir(path)
		if slices.Contains(looked, in) {
			continue
		}
		looked = append(looked, in)
		there := q.looked.find(in)
		if there == nil || here != nil && here.Root == there.Root {
			continue
		}
		if git, finding := q.Settings.GitState(in); git != nil {
			git.Path = valid(path)
			return git, finding
		}
	}
	return nil, worktree.Finding{}
}
