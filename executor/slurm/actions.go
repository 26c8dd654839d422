package slurm

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
)

// Actions implements executor.Executor.
func (e *Executor) Actions() []executor.Action {
	element := executor.Option{Name: "element", Value: "N", Usage: "only element N of an array or heterogeneous job"}
	follow := executor.Option{Name: "follow", Usage: "continue until the job has ended"}
	return []executor.Action{
		{Name: "status", Summary: "show the state of the job, as JSON", Do: e.status, Options: []executor.Option{
			{Name: "all", Usage: "include the steps of the job"}, element}},
		{Name: "output", Summary: "print the job's output", Do: e.print(record.JobStdout), Options: []executor.Option{
			follow, element, {Name: "out", Value: executor.FileValue, Usage: "read FILE instead"}}},
		{Name: "error", Summary: "print the job's error output", Do: e.print(record.JobStderr), Options: []executor.Option{
			follow, element, {Name: "err", Value: executor.FileValue, Usage: "read FILE instead"}}},
		{Name: "cancel", Summary: "cancel the job", Alters: true, Do: e.cancel, Options: []executor.Option{
			{Name: "element", Value: "N", Usage: "only these elements, such as 3, 3-5 or 1,7"}}},
	}
}

// withJob returns the record with its job, whose id and cluster may be arguments.
func (e *Executor) withJob(rec *record.Record) (*record.Record, error) {
	rec, err := executor.WithJob(e, "sbatch", rec)
	if err != nil {
		return nil, err
	}
	return rec, identity(rec.Data.Job)
}

// elementAt returns the element of that index.
func elementAt(job *record.Job, index string) (record.JobElement, error) {
	for _, el := range job.Elements {
		if isElement(el.ID, job.ID, index) {
			return el, nil
		}
	}
	if len(job.Elements) == 0 {
		return record.JobElement{}, fmt.Errorf("job %s is no array, so it has no element %s: %w", job.ID, index, record.ErrConflict)
	}
	return record.JobElement{}, fmt.Errorf("job %s has no element %s, but %s to %s: %w", job.ID, index, job.Elements[0].ID, job.Elements[len(job.Elements)-1].ID, record.ErrConflict)
}

// print is the actions output and error.
func (e *Executor) print(name record.StreamName) func(context.Context, *executor.Call) error {
	return func(ctx context.Context, c *executor.Call) error {
		rec, err := e.withJob(c.Record)
		if err != nil {
			return err
		}
		file := c.Options["out"] + c.Options["err"] // an action takes one of them
		index := c.Options["element"]
		if job := rec.Data.Job; file == "" && index == "" && job.Output != nil {
			return printKept(c, rec, name)
		}
		if file != "" {
			if file, err = filepath.Abs(file); err != nil {
				return err
			}
		} else if !rec.Data.Job.Final {
			// A file has its name once the job has started. Without an answer the last one
			// is used.
			if now, err := executor.Refreshed(ctx, e, rec); err == nil {
				rec = now
			}
		}
		if isList(index) && file == "" {
			return e.printElements(c, rec.Data.Job, name, index)
		}
		if index != "" {
			if _, err := elementAt(rec.Data.Job, index); err != nil {
				return err
			}
		}
		one := file != "" || index != ""
		path := pathOf(name, file, index)
		switch {
		case !c.Switch("follow"):
			return e.copyOut(ctx, c, rec, name, path, one)
		case !one && isArray(rec.Data.Job):
			return fmt.Errorf("job %s is an array: follow one element, with --element: %w", rec.Data.Job.ID, record.ErrConflict)
		}
		return e.follow(ctx, c, rec, path)
	}
}

// isList reports whether text names more than one element.
func isList(text string) bool { return strings.ContainsAny(text, ",-") && isIndexes(text) }

// printElements prints the files of some elements, as those of all are printed.
func (e *Executor) printElements(c *executor.Call, job *record.Job, name record.StreamName, list string) error {
	if c.Switch("follow") {
		return fmt.Errorf("one element is followed at a time: %w", record.ErrConflict)
	}
	some := *job
	some.Elements = nil
	for _, id := range elements(job.ID + "_[" + list + "]") {
		el, err := elementAt(job, element(id))
		if err != nil {
			return err
		}
		some.Elements = append(some.Elements, el)
	}
	r, err := openElements(&some, name)
	return show(c, job, r, err)
}

// show prints a stream of a job that was opened; nil is none of its own.
func show(c *executor.Call, job *record.Job, r io.ReadCloser, err error) error {
	switch {
	case err != nil:
		return err
	case r == nil:
		return c.SayOneStream(job)
	}
	return c.Print(r)
}

// pathOf returns how the file is found: a given one, that of an element, or the job's.
func pathOf(name record.StreamName, given, index string) func(*record.Record) string {
	return func(rec *record.Record) string {
		job := rec.Data.Job
		stdout, stderr := job.StdoutFile, job.StderrFile
		if index != "" {
			if el, err := elementAt(job, index); err == nil && isArray(job) {
				stdout, stderr = el.StdoutFile, el.StderrFile
			}
		}
		switch {
		case given != "":
			return given
		case name == record.JobStderr:
			return stderr
		}
		return stdout
	}
}

func (e *Executor) copyOut(ctx context.Context, c *executor.Call, rec *record.Record, name record.StreamName, path func(*record.Record) string, one bool) error {
	job := rec.Data.Job
	var r io.ReadCloser
	var err error
	if one {
		at := progressOf(job)
		id := job.ID
		if el, err := elementAt(job, c.Options["element"]); err == nil {
			id, at = el.ID, elementProgress(el, job)
		}
		r, err = open(path(rec), id, at)
	} else {
		r, err = e.Output(ctx, rec, name)
	}
	return show(c, job, r, err)
}

// printKept prints the output that is recorded: the file may be gone, or have been written
// again.
func printKept(c *executor.Call, rec *record.Record, name record.StreamName) error {
	job := rec.Data.Job
	if job.OutputError != "" && len(job.Output)+len(job.Error) == 0 {
		return fmt.Errorf("%w: %s", executor.ErrNoOutput, safe.Line(job.OutputError))
	}
	if name == record.JobStderr && len(job.Error) == 0 && job.StderrFile == job.StdoutFile {
		return c.SayOneStream(job)
	}
	if job.OutputError != "" {
		if _, err := fmt.Fprintf(c.Err, "Not all of it is as the job has printed it: %s\n", safe.Line(job.OutputError)); err != nil {
			return err
		}
	}
	return c.PrintRecorded(name)
}

// isIndexes reports whether text is a list of elements such as 1,3-5.
func isIndexes(text string) bool {
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isNumber(from) || isRange && !isNumber(to) {
			return false
		}
	}
	return true
}

func (e *Executor) cancel(ctx context.Context, c *executor.Call) error {
	if c.Record.Data.Status == record.Running {
		return c.Host.Cancel(ctx)
	}
	rec, err := e.withJob(c.Record)
	if err != nil {
		return err
	}
	list := c.Options["element"]
	if list != "" && !isIndexes(list) {
		return fmt.Errorf("--element %q is not a number or a range such as 3-5: %w", list, record.ErrConflict)
	}
	if rec, err = executor.Refreshed(ctx, e, rec); err != nil {
		return err
	}
	job := rec.Data.Job
	targets, err := targets(job, list)
	if err != nil {
		return err
	}
	if _, err := e.ask(ctx, "scancel", append(onCluster(job.Cluster), targets...)...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Err, "Job %s is being cancelled.\n", strings.Join(targets, ", "))
	return err
}

// targets returns the ids that scancel is to cancel. The error wraps record.ErrConflict when all
// of it has ended.
func targets(job *record.Job, list string) ([]string, error) {
	if list == "" {
		if job.Final {
			return nil, hasEnded(job.ID, job.State, job.Reason)
		}
		return []string{job.ID}, nil
	}
	if len(job.Elements) == 0 {
		return nil, fmt.Errorf("job %s is no array, so it has no element %s: %w", job.ID, list, record.ErrConflict)
	}
	var ids []string
	var over error
	for _, id := range elements(job.ID + "_[" + list + "]") {
		el, err := elementAt(job, element(id))
		switch {
		case err != nil:
			return nil, err
		case el.Final:
			over = hasEnded(el.ID, el.State, el.Reason)
		default:
			ids = append(ids, el.ID)
		}
	}
	if len(ids) == 0 {
		return nil, over
	}
	return ids, nil
}

// hasEnded says that there is nothing to cancel.
func hasEnded(id, state, reason string) error {
	if reason != "" {
		state += ", " + reason
	}
	return fmt.Errorf("job %s has ended (%s): %w", id, state, record.ErrConflict)
}
