package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"qme/executor"
	"qme/internal/repeat"
	"qme/internal/tail"
	"qme/record"
)

// Submit runs a command as a job of an executor and records the submission as RunNew does. It
// chooses the files for the job's output. The error wraps record.ErrInvalid for an invalid
// option.
func (q *Service) Submit(ctx context.Context, s executor.Submitter, job executor.Submission, opts RunOptions) (*Report, error) {
	id, err := record.NewID(s.Name())
	if err != nil {
		return nil, err
	}
	job.Stdout, job.Stderr = q.jobFiles(id)
	c, err := s.Submit(job)
	if err != nil {
		return nil, err
	}
	return q.runNew(ctx, id, c, opts)
}

// jobFiles returns the output files of a job started by Submit.
func (q *Service) jobFiles(id record.ID) (stdout, stderr string) {
	dir := q.Jobs.Path(id)
	return filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")
}

// JobOutput is the destination of a job's output.
type JobOutput struct {
	Out, Err io.Writer // both are nil if the output is not printed
	// Restarted is called when the job starts its output again, for example after a requeue.
	// The output printed so far stays, and all of the new output follows.
	Restarted func()
}

// printEvery is the interval between reads of an output file. On a network file system there is
// no notification of changes.
const printEvery = 200 * time.Millisecond

// WaitPrinting is Wait for a task started by Submit. It copies the output of the job as it
// arrives, and the rest when the job has ended.
func (q *Service) WaitPrinting(ctx context.Context, id record.ID, to JobOutput, seen func(*record.Record)) (*record.Record, error) {
	if to.Out == nil && to.Err == nil {
		rec, err := q.Wait(ctx, string(id), seen)
		return rec, goesOn(err, id)
	}
	stdout, stderr := q.jobFiles(id)
	out, errs := printerOf(stdout, to.Out, to.Restarted), printerOf(stderr, to.Err, to.Restarted)
	stop := repeat.Every(printEvery, func() error { return errors.Join(out.pass(), errs.pass()) })
	rec, err := q.Wait(ctx, string(id), seen)
	passed := stop()
	if err != nil {
		return nil, goesOn(err, id)
	}
	return rec, errors.Join(passed, q.rest(out, rec, record.JobStdout), q.rest(errs, rec, record.JobStderr))
}

// goesOn adds to an error of waiting how to wait on.
func goesOn(err error, id record.ID) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (\"qme wait %s\" goes on waiting)", err, id)
}

// A filePrinter copies new content of a file from when the file exists.
type filePrinter struct {
	tail.Reader
	to io.Writer
}

func printerOf(path string, to io.Writer, restarted func()) *filePrinter {
	return &filePrinter{to: to, Reader: tail.Reader{Open: func() (*os.File, error) { return os.Open(path) }, Restarted: restarted}}
}

// pass copies new content.
func (p *filePrinter) pass() error {
	_, err := io.Copy(p.to, &p.Reader)
	return err
}

// rest copies the remaining output after the job has ended. An open file is read to its end,
// even if it was removed. If the file was never opened, the output comes from the record.
func (q *Service) rest(p *filePrinter, rec *record.Record, name record.StreamName) error {
	if p.Opened() {
		return errors.Join(p.pass(), p.Close())
	}
	v, err := q.Find(string(rec.UID))
	if err != nil {
		return err
	}
	r, err := v.Stream(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(p.to, r)
	return errors.Join(err, r.Close())
}
