package slurm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"qme/executor"
	"qme/internal/tail"
	"qme/record"
)

// How often following looks: at the file, which costs a stat, and at the job, which
// costs the scheduler a question.
const (
	lookFirst = 200 * time.Millisecond
	lookMost  = 2 * time.Second
	askFirst  = 5 * time.Second
	askMost   = 30 * time.Second
)

// A follower copies what a job prints until the job has ended, as "tail -f" does.
type follower struct {
	e    *Executor
	rec  *record.Record // with the last answer
	path func(*record.Record) string
	tail *tail.Reader

	look, ask time.Duration
	asked     time.Time
	warned    bool
}

// follow copies a file of a job, whose name may be known later, to the call's output.
func (e *Executor) follow(ctx context.Context, c *executor.Call, rec *record.Record, path func(*record.Record) string) error {
	f := &follower{e: e, rec: rec, path: path, look: lookFirst, ask: askFirst, asked: time.Now()}
	f.tail = &tail.Reader{Open: f.open, Restarted: func() {
		// Without a reader of messages it need not be said.
		_, _ = fmt.Fprintf(c.Err, "Job %s has begun its output anew.\n", f.rec.Data.Job.ID)
	}}
	defer f.close()
	for {
		final := f.rec.Data.Job.Final
		n, err := io.Copy(c.Out, f.tail)
		if err != nil {
			return err
		}
		if final {
			return f.missed()
		}
		if n > 0 {
			f.look = lookFirst
		}
		if err := f.pause(ctx); err != nil {
			return err
		}
		if time.Since(f.asked) >= f.ask {
			f.refresh(ctx, c.Err)
		}
	}
}

// open opens the file once its name is known.
func (f *follower) open() (*os.File, error) {
	path := f.path(f.rec)
	if path == "" {
		return nil, os.ErrNotExist
	}
	return openFile(path)
}

// missed says so when the job has ended and its file never came.
func (f *follower) missed() error {
	if f.tail.Opened() {
		return nil
	}
	job := f.rec.Data.Job
	r, err := open(f.path(f.rec), job.ID, progressOf(job))
	if err != nil {
		return err
	}
	return r.Close()
}

func (f *follower) pause(ctx context.Context) error {
	t := time.NewTimer(f.look)
	defer t.Stop()
	f.look = min(f.look*3/2, lookMost)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// refresh asks how the job goes. The first of several failures in a row is reported.
func (f *follower) refresh(ctx context.Context, notes io.Writer) {
	f.asked, f.ask = time.Now(), min(f.ask*3/2, askMost)
	rec, err := executor.Refreshed(ctx, f.e, f.rec)
	if err == nil {
		f.rec, f.warned = rec, false
		return
	}
	if !f.warned && !errors.Is(err, record.ErrNotYet) && ctx.Err() == nil {
		_, _ = fmt.Fprintf(notes, "%v; asking again\n", err) // without a reader it need not be said
		f.warned = true
	}
}

func (f *follower) close() { _ = f.tail.Close() } // it was only read
