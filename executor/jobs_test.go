package executor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"qme/internal/regular"
	"qme/record"
)

// A scheduler is a tracker whose answers are given.
type scheduler struct {
	Shell
	submitted *record.Job
	why       error // of submitted
	answer    record.JobAnswer
	prints    string // nothing: there is no such stream
	asked     int
}

func (s *scheduler) Submitted(*record.Record) (*record.Job, error) { return s.submitted, s.why }

func (s *scheduler) Refresh(context.Context, []*record.Record) []record.JobAnswer {
	s.asked++
	return []record.JobAnswer{s.answer}
}

func (s *scheduler) Output(context.Context, *record.Record, record.StreamName) (io.ReadCloser, error) {
	if s.prints == "" {
		return nil, s.why
	}
	return io.NopCloser(strings.NewReader(s.prints)), nil
}

// A host has one recorded stream.
type host struct{ recorded string }

func (h host) Stream(name record.StreamName) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(name) + ": " + h.recorded)), nil
}
func (host) Cancel(context.Context) error { return nil }

func ended(rc int) *record.Record {
	return &record.Record{UID: "x-1", Data: record.Data{Status: record.Complete, ReturnCode: &rc}}
}

func TestWithJob(t *testing.T) {
	failed := errors.New("no id")
	withJob, running, lost := ended(0), ended(0), ended(0)
	withJob.Data.Job = &record.Job{ID: "6"}
	running.Data.Status, lost.Data.ReturnCode = record.Running, nil
	for _, c := range []struct {
		name    string
		rec     *record.Record
		job     *record.Job
		why     error
		want    string // the job
		is      error
		message string
	}{
		{"recorded", withJob, &record.Job{ID: "7"}, failed, "6", nil, ""},
		{"found", ended(0), &record.Job{ID: "7"}, nil, "7", nil, ""},
		{"found, and another is not followed", ended(0), &record.Job{ID: "7"}, failed, "7", nil, ""},
		{"found although the command failed", ended(1), &record.Job{ID: "7"}, nil, "7", nil, ""},
		{"its command runs", running, &record.Job{ID: "7"}, nil, "", record.ErrNotYet, "task x-1: sub has not ended yet"},
		{"none", ended(0), nil, nil, "", record.ErrConflict, "task x-1 has started no job: "},
		{"none, and it failed", ended(3), nil, failed, "", record.ErrConflict, "task x-1 has started no job: sub ended with 3"},
		{"none, and its end is not known", lost, nil, failed, "", record.ErrConflict, "task x-1 has started no job: "},
		{"none that can be followed", ended(0), nil, failed, "", record.ErrConflict, "task x-1: its job cannot be followed: no id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, err := WithJob(&scheduler{submitted: c.job, why: c.why}, "sub", c.rec)
			if !errors.Is(err, c.is) || err != nil && !strings.HasPrefix(err.Error(), c.message) {
				t.Fatalf("the error is %v, want %q", err, c.message)
			}
			if c.want != "" && (rec.Data.Job.ID != c.want || c.name == "found" && c.rec.Data.Job != nil) {
				t.Errorf("the job is %+v, and the record's own %+v", rec.Data.Job, c.rec.Data.Job)
			}
		})
	}
}

func TestJobActions(t *testing.T) {
	code := 3
	job := record.Job{ID: "7", State: "RUNNING"}
	kept := record.Job{ID: "7", State: "DONE", Final: true, Output: []string{"kept\n"}, ReturnCode: &code}
	broken := kept
	broken.OutputError = "it was cut off"
	for _, c := range []struct {
		name, action string
		job          record.Job
		s            scheduler
		fresh        bool
		out, errs    string
		is           error
	}{
		{"status", "status", job, scheduler{answer: record.JobAnswer{Job: &kept}}, false, `{"id":"7","state":"DONE"`, "", nil},
		{"status that was just asked", "status", job, scheduler{}, true, `{"id":"7","state":"RUNNING"`, "", nil},
		{"status of nobody", "status", job, scheduler{answer: record.JobAnswer{Err: record.ErrUnavailable}}, false, "", "", record.ErrUnavailable},
		{"output that is recorded", "output", kept, scheduler{prints: "live\n"}, false, "job-stdout: recorded", "", nil},
		{"output that is not all recorded", "output", broken, scheduler{prints: "live\n"}, false, "live\n", "", nil},
		{"output of a job that goes on", "output", job, scheduler{prints: "live\n"}, false, "live\n", "", nil},
		{"no error output", "error", job, scheduler{}, false, "", "Job 7 has no stream of its own for it.\n", nil},
		{"output that is not there", "output", job, scheduler{why: record.ErrNotYet}, false, "", "", record.ErrNotYet},
	} {
		t.Run(c.name, func(t *testing.T) {
			act := StatusAction(&c.s)
			for _, name := range JobStreams {
				if PrintAction(name) == c.action {
					act = OutputAction(&c.s, name, nil)
				}
			}
			rec := ended(0)
			rec.Data.Job = &c.job
			var out, errs bytes.Buffer
			err := act.Do(context.Background(), &Call{Record: rec, Out: &out, Err: &errs, Fresh: c.fresh, Host: host{"recorded"}})
			if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), "x-1") && !strings.Contains(err.Error(), "job 7") {
				t.Errorf("it ended with %v, want %v", err, c.is)
			}
			if act.Name != c.action || !strings.HasPrefix(out.String(), c.out) || errs.String() != c.errs {
				t.Errorf("%s printed %q and %q, want %q and %q", act.Name, out.String(), errs.String(), c.out, c.errs)
			}
			if strings.Contains(out.String(), "kept") || c.fresh && c.s.asked > 0 {
				t.Errorf("it printed %q after %d questions", out.String(), c.s.asked)
			}
		})
	}
}

// An action of its own prints what is not recorded.
func TestOutputActionOfItsOwn(t *testing.T) {
	var got *record.Job
	act := OutputAction(&scheduler{submitted: &record.Job{ID: "7"}}, record.JobStderr, func(_ context.Context, c *Call) error {
		got = c.Record.Data.Job
		return nil
	})
	if err := act.Do(context.Background(), &Call{Record: ended(0)}); err != nil || got == nil || got.ID != "7" {
		t.Errorf("it was called with %+v, %v", got, err)
	}
}

func TestOpenOutput(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "out"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o600), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	active, done := ended(0), ended(0)
	active.Data.Job = &record.Job{ID: "7", State: "RUNNING"}
	done.Data.Job = &record.Job{ID: "7", State: "DONE", Final: true}
	for _, c := range []struct {
		path    string
		rec     *record.Record
		is      error
		message string
	}{
		{file, done, nil, ""},
		{filepath.Join(dir, "none"), active, record.ErrNotYet, "job 7 is RUNNING"},
		{filepath.Join(dir, "none"), done, ErrNoOutput, "job 7 has ended"},
		{filepath.Join(dir, "no", "folder"), done, ErrNoOutput, "job 7 has ended"},
		{fifo, active, record.ErrConflict, "is no file"},
		{dir, active, record.ErrConflict, "is no file"},
		{"/dev/zero", active, record.ErrConflict, "is no file"},
	} {
		r, err := OpenOutput(c.path, c.rec)
		if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v, want %q", c.path, err, c.message)
		}
		if err != nil {
			continue
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != "text" {
			t.Errorf("%s: read %q, %v", c.path, b, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := OpenFile(fifo); !errors.Is(err, regular.ErrNot) {
		t.Errorf("a FIFO: %v", err)
	}
}

// Of a run that another home has made, output is what is recorded, and nothing else is run.
func TestPerformForeign(t *testing.T) {
	act := Action{Name: "output", Options: []Option{{Name: "out", Value: FileValue}}, Do: func(_ context.Context, c *Call) error {
		_, err := io.WriteString(c.Out, "done")
		return err
	}}
	for _, c := range []struct {
		name    string
		job     *record.Job
		options map[string]string
		out     string
		is      error
	}{
		{"of the command", nil, nil, "stdout: recorded", nil},
		{"of the job", &record.Job{ID: "7", Final: true, Output: []string{"x"}}, nil, "job-stdout: recorded", nil},
		{"of a job that goes on", &record.Job{ID: "7"}, nil, "", record.ErrNotYet},
		{"of a job whose output was not kept", &record.Job{ID: "7", Final: true, OutputError: "gone"}, nil, "", ErrNoOutput},
		{"of an element", &record.Job{ID: "7", Final: true}, map[string]string{"element": "1"}, "", record.ErrConflict},
		{"in a file that the user names", &record.Job{ID: "7"}, map[string]string{"out": "x"}, "done", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := act.Perform(context.Background(), &Call{Record: ended(0), Foreign: true, Told: c.job, Options: c.options, Out: &out, Host: host{"recorded"}})
			if !errors.Is(err, c.is) || out.String() != c.out {
				t.Errorf("it printed %q, %v, want %q, %v", out.String(), err, c.out, c.is)
			}
		})
	}
}
