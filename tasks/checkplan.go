package tasks

import (
	"path/filepath"

	"qme/record"
)

// A CheckPlan is what a check will be compared with, and the files that it may use and make.
type CheckPlan struct {
	Ref       Version
	ins, outs map[string]bool // by path
}

// PlanCheck returns what Check would compare a task with. The errors are those of Check.
func (q *Service) PlanCheck(ref string) (*CheckPlan, error) {
	base, _, hasRun := cutRun(ref)
	c := new(checking)
	if hasRun {
		v, err := q.Find(ref)
		if err != nil {
			return nil, err
		}
		c.ref = v
	}
	latest, err := q.resolveRecord(base)
	if err != nil {
		return nil, err
	}
	if err := c.choose(q, latest); err != nil {
		return nil, err
	}
	rec := c.ref.Record
	p := &CheckPlan{Ref: c.ref, ins: map[string]bool{}, outs: map[string]bool{}}
	if c.files == nil {
		return p, nil
	}
	dirs := map[string]string{}
	real := func(name string) string {
		path := pathIn(rec.Data.PWD, name)
		dir := filepath.Dir(path)
		if _, known := dirs[dir]; !known {
			dirs[dir] = dir
			if found, err := filepath.EvalSymlinks(dir); err == nil {
				dirs[dir] = found
			}
		}
		return filepath.Join(dirs[dir], filepath.Base(path))
	}
	for _, f := range c.files.In {
		p.ins[real(f.Path)] = true
	}
	for _, f := range c.files.Out {
		if f.By != record.ByStdio {
			p.outs[real(f.Path)] = true
		}
	}
	return p, nil
}

// Meets reports whether two checks must not run at once: they are of one task, or one makes a file that the
// other uses or makes as well.
func (p *CheckPlan) Meets(o *CheckPlan) bool {
	if p.Ref.Record.UID == o.Ref.Record.UID {
		return true
	}
	for path := range p.outs {
		if o.ins[path] || o.outs[path] {
			return true
		}
	}
	for path := range o.outs {
		if p.ins[path] {
			return true
		}
	}
	return false
}
