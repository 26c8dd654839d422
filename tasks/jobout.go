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

// Submit runs a command as a job of an executor and records that as RunNew does. The files to
// which the job prints are chosen here. The error wraps record.ErrInvalid when an option does
// not fit.
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

// jobFiles returns the files to which a job of Submit prints.
func (q *Service) jobFiles(id record.ID) (stdout, stderr string) {
	dir := q.Jobs.Path(id)
	return filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")
}

// JobOutput is where the output of a job goes.
type JobOutput struct {
	Out, Err io.Writer
	// Restarted is called when the job begins its output anew, as after a requeue: what has
	// been printed stays, and all of the new output follows.
	Restarted func()
}

// printEvery is how often a file is looked at: on a network file system nobody tells.
const printEvery = 200 * time.Millisecond

// WaitPrinting is Wait for a task of Submit: what its job prints is passed on as it comes, and
// all of it when the job has ended.
func (q *Service) WaitPrinting(ctx context.Context, id record.ID, to JobOutput, seen func(*record.Record)) (*record.Record, error) {
	stdout, stderr := q.jobFiles(id)
	out, errs := printerOf(stdout, to.Out, to.Restarted), printerOf(stderr, to.Err, to.Restarted)
	stop := repeat.Every(printEvery, func() error { return errors.Join(out.pass(), errs.pass()) })
	rec, err := q.Wait(ctx, string(id), seen)
	passed := stop()
	if err != nil {
		return nil, fmt.Errorf("%w (\"qme wait %s\" goes on waiting)", err, id)
	}
	return rec, errors.Join(passed, q.rest(out, rec, record.JobStdout), q.rest(errs, rec, record.JobStderr))
}

// A filePrinter passes on what comes to a file, from when it is there.
type filePrinter struct {
	tail.Reader
	to io.Writer
}

func printerOf(path string, to io.Writer, restarted func()) *filePrinter {
	return &filePrinter{to: to, Reader: tail.Reader{Open: func() (*os.File, error) { return os.Open(path) }, Restarted: restarted}}
}

// pass copies what is new.
func (p *filePrinter) pass() error {
	_, err := io.Copy(p.to, &p.Reader)
	return err
}

// rest copies what is left when the job has ended. A file that was opened is read to its
// end, also where it has been removed since; else what came of it is in the record.
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
