package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"qme/internal/regular"
	"qme/internal/safe"
	"qme/record"
)

// JobStreams are the streams of a job.
var JobStreams = []record.StreamName{record.JobStdout, record.JobStderr}

// PrintAction returns the name of the action that prints a stream of a job.
func PrintAction(name record.StreamName) string {
	if name == record.JobStderr {
		return "error"
	}
	return "output"
}

// WithJob returns a record with the job that its command has started, which a crash may have
// kept out of it. Messages call that command by the name command. The error wraps
// record.ErrNotYet while the command runs or waits in the queue, and record.ErrConflict where it has started no job,
// or none that can be followed.
func WithJob(t Tracker, command string, rec *record.Record) (*record.Record, error) {
	if rec.Data.Job != nil {
		return rec, nil
	}
	if rec.IsQueued() {
		return nil, fmt.Errorf("task %s waits in the queue of this home, and has started no job so far: %w", rec.UID, record.ErrNotYet)
	}
	if rec.Data.Status == record.Running {
		return nil, fmt.Errorf("task %s: %s has not ended yet: %w", rec.UID, command, record.ErrNotYet)
	}
	job, err := t.Submitted(rec)
	rc := rec.Data.ReturnCode
	switch {
	case job != nil: // that another one is not followed has been said
		found := *rec
		found.Data.Job = job
		return &found, nil
	case err != nil && rc != nil && *rc != 0:
		return nil, fmt.Errorf("task %s has started no job: %s ended with %d: %w", rec.UID, command, *rc, record.ErrConflict)
	case err != nil && rc != nil:
		return nil, fmt.Errorf("task %s: its job cannot be followed: %w: %w", rec.UID, err, record.ErrConflict)
	}
	return nil, fmt.Errorf("task %s has started no job: %w", rec.UID, record.ErrConflict)
}

// Refreshed returns a record that has a job with the answer of its tracker now. The error is
// as that of Tracker.Refresh, and names the job.
func Refreshed(ctx context.Context, t Tracker, rec *record.Record) (*record.Record, error) {
	answer := t.Refresh(ctx, []*record.Record{rec})[0]
	if answer.Err != nil {
		return nil, fmt.Errorf("job %s: %w", safe.Line(rec.Data.Job.ID), answer.Err)
	}
	answer.Job.Follow(rec.Data.Job)
	next := *rec
	next.Data.Job = answer.Job
	return &next, nil
}

const theCommand = "its command"

// StatusAction is the action that asks how a job goes and prints it as one line of JSON.
func StatusAction(t Tracker) Action {
	return Action{Name: "status", Summary: "show the state of the job, as JSON", Do: func(ctx context.Context, c *Call) error {
		rec, err := WithJob(t, theCommand, c.Record)
		if err == nil && !c.Fresh {
			rec, err = Refreshed(ctx, t, rec)
		}
		if err != nil {
			return err
		}
		job := *rec.Data.Job
		job.Output, job.Error, job.Stdout, job.Stderr = nil, nil, nil, nil
		b, err := json.Marshal(job)
		if err != nil {
			return err
		}
		_, err = c.Out.Write(append(safe.JSON(b), '\n'))
		return err
	}}
}

// OutputAction is the action that prints a stream of a job: as it is recorded, and else by
// live, whose call has a record with a job. A nil live prints Tracker.Output.
func OutputAction(t Tracker, name record.StreamName, live func(ctx context.Context, c *Call) error) Action {
	if live == nil {
		live = func(ctx context.Context, c *Call) error { return printOutput(ctx, t, name, c) }
	}
	summary := "print its job's output"
	if name == record.JobStderr {
		summary = "print its job's error output"
	}
	return Action{Name: PrintAction(name), Summary: summary, Do: func(ctx context.Context, c *Call) error {
		rec, err := WithJob(t, theCommand, c.Record)
		if err != nil {
			return err
		}
		if job := rec.Data.Job; job.Final && job.Output != nil && job.OutputError == "" {
			return c.PrintRecorded(name)
		}
		call := *c
		call.Record = rec
		return live(ctx, &call)
	}}
}

// printOutput prints Tracker.Output.
func printOutput(ctx context.Context, t Tracker, name record.StreamName, c *Call) error {
	r, err := t.Output(ctx, c.Record, name)
	if err == nil && r != nil {
		err = c.Print(r)
	}
	if err != nil {
		return fmt.Errorf("task %s: %w", c.Record.UID, err)
	}
	if r == nil {
		_, err = fmt.Fprintf(c.Err, "Job %s has no stream of its own for it.\n", safe.Line(c.Record.Data.Job.ID))
	}
	return err
}

// OpenFile opens a file to which a job prints. The error wraps fs.ErrNotExist where it is not
// there, and regular.ErrNot for a device, a FIFO and the like, which may have no end.
func OpenFile(path string) (*os.File, error) {
	f, err := regular.OpenHere(path, os.O_RDONLY, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	// A network file system may not have noticed the file: reading its folder helps.
	if dir, derr := os.Open(filepath.Dir(path)); derr == nil {
		_, _ = dir.Readdirnames(1)
		_ = dir.Close()
	}
	return regular.OpenHere(path, os.O_RDONLY, 0)
}

// OpenOutput is OpenFile for a job whose tracker knows no more than its state. The error wraps
// record.ErrNotYet where the file is not there and the job goes on, ErrNoOutput where the job
// has ended, and record.ErrConflict where there is no regular file.
func OpenOutput(path string, rec *record.Record) (io.ReadCloser, error) {
	f, err := OpenFile(path)
	job := rec.Data.Job
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, fs.ErrNotExist) && rec.Active():
		return nil, fmt.Errorf("%s is not there, job %s is %s: %w", safe.Line(path), safe.Line(job.ID), safe.Line(job.State), record.ErrNotYet)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is not there any more, or not on this machine, and job %s has ended: %w", safe.Line(path), safe.Line(job.ID), ErrNoOutput)
	case errors.Is(err, regular.ErrNot):
		return nil, fmt.Errorf("%s is no file: %w", safe.Line(path), record.ErrConflict)
	}
	return nil, err
}
