// Package custom makes executors of sections in config.toml: patterns of commands and of their
// output, and other commands that ask about a job or act on it. docs/executors.md describes
// such a section.
package custom

import (
	"sync"

	"qme/executor"
	"qme/executor/section"
	"qme/record"
)

// New makes the executor of a section. The error wraps record.ErrInvalid and names the
// key and its place. Regular expressions other than match are compiled when the executor is
// needed, since each would cost time at every start of qme. warn gets their errors when a
// command is recognised, which the shell then takes.
//
// The executor is an executor.Tracker where the section has a table refresh. It is a
// Checker.
func New(s section.Section, shell *executor.Shell, warn func(error)) (executor.Executor, error) {
	spec, err := read(s, shell)
	if err != nil {
		return nil, err
	}
	p := &plain{spec: spec, shell: shell, warn: warn}
	p.compiled = sync.OnceValues(func() (*compiled, error) { return compile(spec) })
	if spec.refresh == nil {
		return p, nil
	}
	return &tracker{p}, nil
}

// A Checker is an executor that can check all of its settings.
type Checker interface {
	// Check returns the first error, which wraps record.ErrInvalid.
	Check() error
}

// plain is the executor of a section without refresh, whose commands start no jobs.
type plain struct {
	spec     *spec
	shell    *executor.Shell
	warn     func(error)
	compiled func() (*compiled, error)
}

// Name implements executor.Executor.
func (p *plain) Name() string { return p.spec.section.Name }

// Check implements Checker.
func (p *plain) Check() error {
	_, err := p.compiled()
	return err
}

// Recognise implements executor.Executor. With settings that are wrong it takes nothing.
func (p *plain) Recognise(words []string) (executor.Command, bool) {
	c, ok := p.spec.match.Recognise(words)
	if !ok {
		return c, false
	}
	if err := p.Check(); err != nil {
		p.warn(err)
		return executor.Command{}, false
	}
	return c, true
}

// tracker is the executor of a section with refresh.
type tracker struct{ *plain }

var _ executor.Tracker = (*tracker)(nil)

// Submitted implements executor.Tracker.
func (t *tracker) Submitted(rec *record.Record) (*record.Job, error) {
	c, err := t.compiled()
	if err != nil {
		return nil, err
	}
	found := c.submitted.find(printed(rec), "")
	if found["id"] == "" {
		return nil, t.spec.section.Errorf([]string{"capture"}, "it finds no id in what the command has printed")
	}
	job := &record.Job{ID: found["id"]}
	delete(found, "id")
	answer(found).fill(job)
	return job, nil
}
