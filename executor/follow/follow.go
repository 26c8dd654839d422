// Package follow has the actions that executors whose commands start jobs have in common.
package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
)

// Status is the action that asks how a job goes and prints it as one line of JSON.
func Status(t executor.Tracker) executor.Action {
	return executor.Action{Name: "status", Summary: "ask how its job goes, and print it as JSON", Do: func(ctx context.Context, c *executor.Call) error {
		rec, err := withJob(t, c.Record)
		if err != nil {
			return err
		}
		job := *rec.Data.Job
		if !c.Fresh {
			answer := t.Refresh(ctx, []*record.Record{rec})[0]
			if answer.Err != nil {
				return fmt.Errorf("job %s: %w", safe.Line(rec.Data.Job.ID), answer.Err)
			}
			answer.Job.Follow(rec.Data.Job)
			job = *answer.Job
		}
		job.Output, job.Error, job.Stdout, job.Stderr = nil, nil, nil, nil
		b, err := json.Marshal(job)
		if err != nil {
			return err
		}
		_, err = c.Out.Write(append(safe.JSON(b), '\n'))
		return err
	}}
}

// withJob returns a record with the job that its command has started.
func withJob(t executor.Tracker, rec *record.Record) (*record.Record, error) {
	if rec.Data.Job != nil {
		return rec, nil
	}
	if rec.Data.Status == record.Running {
		return nil, fmt.Errorf("task %s: its command is running: %w", rec.UID, record.ErrNotYet)
	}
	none := fmt.Errorf("task %s has started no job: %w", rec.UID, record.ErrConflict)
	if rec.Data.ReturnCode == nil || *rec.Data.ReturnCode != 0 {
		return nil, none
	}
	job, err := t.Submitted(rec)
	if err != nil {
		return nil, fmt.Errorf("task %s: its job cannot be followed: %w: %w", rec.UID, err, record.ErrConflict)
	}
	if job == nil {
		return nil, none
	}
	found := *rec
	found.Data.Job = job
	return &found, nil
}

// Actions names the actions that print the streams of a job.
var Actions = map[record.StreamName]string{record.JobStdout: "output", record.JobStderr: "error"}

// Output is the action that prints a stream of a job, record.JobStdout or
// record.JobStderr: as it is recorded, else what live prints.
func Output(t executor.Tracker, name record.StreamName, live func(ctx context.Context, c *executor.Call) error) executor.Action {
	what := map[record.StreamName]string{record.JobStdout: "output", record.JobStderr: "error output"}[name]
	return executor.Action{Name: Actions[name], Summary: "print its job's " + what, Do: func(ctx context.Context, c *executor.Call) error {
		rec, err := withJob(t, c.Record)
		if err != nil {
			return err
		}
		if job := rec.Data.Job; job.Final && job.Output != nil && job.OutputError == "" {
			r, err := c.Host.Stream(name)
			if err != nil {
				return err
			}
			_, err = io.Copy(c.Out, r)
			return errors.Join(err, r.Close())
		}
		call := *c
		call.Record = rec
		return live(ctx, &call)
	}}
}

// Copy is a live of Output: it prints what the executor itself says of the stream.
func Copy(t executor.Tracker, name record.StreamName) func(ctx context.Context, c *executor.Call) error {
	return func(ctx context.Context, c *executor.Call) error {
		r, err := t.Output(ctx, c.Record, name)
		if err == nil && r != nil {
			_, err = io.Copy(c.Out, r)
			err = errors.Join(err, r.Close())
		}
		if err != nil {
			return fmt.Errorf("task %s: %w", c.Record.UID, err)
		}
		if r == nil {
			_, err = fmt.Fprintf(c.Err, "Job %s has no stream of its own for it.\n", safe.Line(c.Record.Data.Job.ID))
		}
		return err
	}
}

// Open opens a file of a job. The error wraps record.ErrNotYet when it is not there and
// the job goes on, and executor.ErrNoOutput when it has ended.
func Open(path string, rec *record.Record) (io.ReadCloser, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && rec.Active():
		return nil, fmt.Errorf("%s is not there, job %s is %s: %w", safe.Line(path), safe.Line(rec.Data.Job.ID), safe.Line(rec.Data.Job.State), record.ErrNotYet)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is not there any more, or not on this machine, and job %s has ended: %w", safe.Line(path), safe.Line(rec.Data.Job.ID), executor.ErrNoOutput)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file: %w", safe.Line(path), record.ErrConflict) // a FIFO would be waited for
	}
	return os.Open(path)
}
