package custom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"qme/executor"
	"qme/executor/ask"
	"qme/internal/safe"
	"qme/record"
)

// Actions implements executor.Executor: those of the section, and those of the shell that have
// other names.
func (p *plain) Actions() []executor.Action {
	var all []executor.Action
	for _, a := range p.shell.Actions() {
		if !p.has(a.Name) {
			all = append(all, a)
		}
	}
	return append(all, p.own()...)
}

func (p *plain) has(name string) bool {
	return slices.ContainsFunc(p.spec.actions, func(a action) bool { return a.name == name })
}

// own returns the actions of the section.
func (p *plain) own() []executor.Action {
	var all []executor.Action
	for _, a := range p.spec.actions {
		all = append(all, executor.Action{Name: a.name, Summary: a.summary, Alters: a.alters, Do: func(ctx context.Context, c *executor.Call) error {
			return p.do(ctx, a, c)
		}})
	}
	return all
}

// Actions implements executor.Executor.
func (t *tracker) Actions() []executor.Action {
	all := []executor.Action{executor.StatusAction(t)}
	for _, name := range executor.JobStreams {
		if t.opens(name) && !t.has(executor.PrintAction(name)) {
			all = append(all, executor.OutputAction(t, name, nil))
		}
	}
	for _, a := range t.own() {
		for _, name := range executor.JobStreams {
			if a.Name == executor.PrintAction(name) {
				a.Do = executor.OutputAction(t, name, a.Do).Do
			}
		}
		all = append(all, a)
	}
	return all
}

// do runs the command of an action.
func (p *plain) do(ctx context.Context, a action, c *executor.Call) error {
	argv, err := p.argv(a, c.Record)
	if err != nil {
		return err
	}
	said, err := ask.Show(ctx, ask.Question{Argv: argv, Unattended: c.Unattended}, c.Out, c.Err)
	if err == nil && said.Code != 0 {
		err = later(a, c.Record, ended(argv, said))
	}
	if err != nil {
		return fmt.Errorf("task %s: %s: %w", c.Record.UID, a.name, err)
	}
	return nil
}

// ended says that a command has failed.
func ended(argv []string, said ask.Answer) error {
	return fmt.Errorf("%s ended with %d%s", safe.Line(argv[0]), said.Code, said.Because())
}

// argv returns the command of an action for a task.
func (p *plain) argv(a action, rec *record.Record) ([]string, error) {
	c, err := p.compiled()
	if err != nil {
		return nil, err
	}
	argv, err := fill(a.cmd, c.values(rec))
	var missing *missingError
	switch {
	case errors.As(err, &missing) && rec.Active():
		return nil, fmt.Errorf("task %s: %s: %w: %w (\"qme refresh\" asks)", rec.UID, a.name, err, record.ErrNotYet)
	case errors.As(err, &missing):
		return nil, fmt.Errorf("task %s: %s: %w: %w", rec.UID, a.name, err, record.ErrConflict)
	case err != nil:
		return nil, fmt.Errorf("task %s: %s: %w", rec.UID, a.name, err)
	}
	return argv, nil
}

// later makes an error one that wraps record.ErrNotYet where it is about the output of a
// job that goes on.
func later(a action, rec *record.Record, err error) error {
	if (a.name == "output" || a.name == "error") && rec.Active() {
		return fmt.Errorf("%w: its job goes on, so it is %w", err, record.ErrNotYet)
	}
	return err
}

// silence is how long a program that prints a job's output may print nothing.
const silence = time.Minute

// opens reports whether the section says how a stream of a job is read.
func (t *tracker) opens(name record.StreamName) bool {
	c, err := t.compiled()
	if err != nil {
		return false
	}
	field := fileOf[name]
	return c.submitted.parts[field] != nil || slices.ContainsFunc(c.asked, func(a *asked) bool { return a.captures.parts[field] != nil })
}

var fileOf = map[record.StreamName]string{record.JobStdout: "stdout_file", record.JobStderr: "stderr_file"}

// Output implements executor.Tracker: the output of the action output or error, else the file
// that the job's scheduler has named.
func (t *tracker) Output(ctx context.Context, rec *record.Record, name record.StreamName) (io.ReadCloser, error) {
	for _, a := range t.spec.actions {
		if a.name == executor.PrintAction(name) {
			return t.stream(ctx, a, rec)
		}
	}
	file, other := rec.Data.Job.StdoutFile, rec.Data.Job.StderrFile
	if name == record.JobStderr {
		file, other = other, file
		if file == other {
			return nil, nil
		}
	}
	if file == "" && t.opens(name) && rec.Data.Job.Final {
		return nil, fmt.Errorf("nothing has said where %s went: %w", executor.PrintAction(name), executor.ErrNoOutput)
	}
	if file == "" && t.opens(name) {
		return nil, fmt.Errorf("it is not known where %s goes: %w", executor.PrintAction(name), record.ErrNotYet)
	}
	if file == "" {
		return nil, nil
	}
	return t.open(rec, fileOf[name])
}

func (t *tracker) stream(ctx context.Context, a action, rec *record.Record) (io.ReadCloser, error) {
	argv, err := t.argv(a, rec)
	if err != nil {
		return nil, err
	}
	return ask.Stream(ctx, ask.Question{Argv: argv}, silence, func(said ask.Answer) error {
		if said.Code != 0 {
			return later(a, rec, ended(argv, said))
		}
		return nil
	})
}

// open opens the file that a field names, relative to the directory of the task.
func (t *tracker) open(rec *record.Record, field string) (io.ReadCloser, error) {
	c, err := t.compiled()
	if err != nil {
		return nil, err
	}
	path, err := c.values(rec)(field)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(rec.Data.PWD, path)
	}
	return executor.OpenOutput(path, rec)
}
