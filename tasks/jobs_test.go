package tasks

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/executor"
	"qme/record"
	"qme/tasks/spool"
)

// A scheduler answers with its jobs, and lets a test do something while it is asked. It takes
// the place of the shell.
type scheduler struct {
	executor.Executor
	state   string // "done" is final
	output  string
	asked   func()
	reads   func() error // before output is read
	started *record.Time
	silent  bool // it does not say which job that is
}

// Name implements Executor.
func (s *scheduler) Name() string { return executor.ShellName }

// Submitted implements Tracker.
func (s *scheduler) Submitted(rec *record.Record) (*record.Job, error) {
	if s.silent {
		return nil, record.ErrUnavailable
	}
	return &record.Job{ID: "7"}, nil
}

// Refresh implements Tracker.
func (s *scheduler) Refresh(_ context.Context, recs []*record.Record) []record.JobAnswer {
	answers := make([]record.JobAnswer, len(recs))
	for i := range recs {
		now, zero := record.Now(), 0
		job := &record.Job{ID: "7", State: s.state, Final: s.state == "done", Started: s.started, Checked: &now}
		if job.Final {
			job.ReturnCode = &zero
		}
		answers[i].Job = job
	}
	if asked := s.asked; asked != nil {
		s.asked = nil
		asked()
	}
	return answers
}

// Output implements Tracker.
func (s *scheduler) Output(_ context.Context, rec *record.Record, name record.StreamName) (io.ReadCloser, error) {
	if s.reads != nil {
		if err := s.reads(); err != nil {
			return nil, err
		}
	}
	if name == record.JobStderr {
		return nil, nil
	}
	if file := rec.Data.PWD + rec.Data.Job.StdoutFile; strings.Contains(file, "secret") {
		return io.NopCloser(strings.NewReader(file)), nil
	}
	return io.NopCloser(strings.NewReader(s.output)), nil
}

// newJob returns a bench whose newest task has started a job that is running.
func newJob(t *testing.T) (*bench, *scheduler, record.ID) {
	t.Helper()
	b, s := newBench(t, 0), &scheduler{state: "running", output: "out\n"}
	b.Executors = executor.NewSet(&executor.Shell{}, s)
	return b, s, b.run(t).Record.UID
}

func (b *bench) refresh(t *testing.T) []Refreshed {
	t.Helper()
	all, err := b.Refresh(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// isDone checks that a task's job has ended, with its output, and is not asked about again.
func (b *bench) isDone(t *testing.T, id record.ID, want string) {
	t.Helper()
	job := b.history.record(t, id).Data.Job
	if !job.Final || strings.Join(job.Output, "") != want || job.OutputError != "" {
		t.Errorf("the job is %+v, not at its end with the output %q", job, want)
	}
	if left := b.refresh(t); len(left) > 0 {
		t.Errorf("it is asked about again: %+v", left)
	}
}

// An answer that comes late does not undo the end that another process has recorded.
func TestLateAnswer(t *testing.T) {
	for _, late := range []string{"running", "waiting", "done"} {
		b, s, id := newJob(t)
		s.state = late
		s.asked = func() {
			s.state = "done"
			b.refresh(t)
			s.reads = func() error { return os.ErrNotExist } // it is in the record now
		}
		if all := b.refresh(t); len(all) != 1 || all[0].Changed {
			t.Errorf("%s: the late answer counts: %+v", late, all)
		}
		b.isDone(t, id, "out\n")
	}
}

// A job that is started again after its end is another run: nothing of the first one's output
// and code stays, and that of the second is brought.
func TestStartedAgain(t *testing.T) {
	for _, seen := range []bool{true, false} { // while it goes on
		b, s, id := newJob(t)
		begin := record.Now()
		s.state, s.started = "done", &begin
		b.refresh(t)
		b.isDone(t, id, "out\n")
		again := record.Time{Time: begin.Add(time.Minute)}
		s.started, s.output = &again, "second\n"
		if seen {
			s.state = "running"
			if all, err := b.Refresh(context.Background(), string(id)); err != nil || !all[0].Changed {
				t.Fatalf("the new run is not seen: %+v, %v", all, err)
			}
			if job := b.history.record(t, id).Data.Job; job.Final || job.Output != nil || job.ReturnCode != nil {
				t.Errorf("while it runs again, it is %+v", job)
			}
			s.state = "done"
			b.refresh(t)
		} else if _, err := b.Refresh(context.Background(), string(id)); err != nil {
			t.Fatal(err)
		}
		b.isDone(t, id, "second\n")
	}
}

// A disk that is full in the moment in which a job's output is brought costs nothing of it.
func TestOutputIsBroughtAgain(t *testing.T) {
	b, s, id := newJob(t)
	s.state = "done"
	disk := b.Spool
	b.Spool = spool.New(full{afero.NewOsFs()}, filepath.Join(t.TempDir(), "running"))
	all := b.refresh(t)
	if len(all) != 1 || all[0].Changed || all[0].Err == nil || !strings.Contains(all[0].Err.Error(), "brought by the next") {
		t.Errorf("a full disk leads to %+v", all)
	}
	if b.history.record(t, id).Data.Job.Final {
		t.Error("the end is recorded without the output")
	}
	b.Spool = disk
	b.refresh(t)
	b.isDone(t, id, "out\n")
}

// full is a file system on which no stream finds room.
type full struct{ afero.Fs }

var errFull = errors.New("no space left on device")

// OpenFile implements afero.Fs.
func (f full) OpenFile(name string, flag int, mode os.FileMode) (afero.File, error) {
	if slices.Contains([]string{"job-stdout", "job-stderr"}, filepath.Base(name)) {
		return nil, errFull
	}
	return f.Fs.OpenFile(name, flag, mode)
}

// A wait goes on while the history is locked, and ends at once where all is known.
func TestWaitsOut(t *testing.T) {
	b, s, id := newJob(t)
	s.state = "done"
	busy := 2
	b.history.before = func(context.Context, record.ID) error {
		if busy--; busy >= 0 {
			return record.ErrBusy
		}
		return nil
	}
	rec, err := b.Wait(context.Background(), string(id), nil)
	if err != nil || !rec.Data.Job.Final {
		t.Fatalf("it waited for %+v, %v", rec, err)
	}
	b.isDone(t, id, "out\n")
	b.Executors = nil
	if _, err := b.Wait(context.Background(), string(id), nil); err != nil {
		t.Errorf("a job that has ended is waited for by its executor alone: %v", err)
	}
}

// What another home says of a job never decides which file is read here, and its word that
// the job has ended does not keep the output from being brought.
func TestOthersFollowToo(t *testing.T) {
	for name, told := range map[string]func(*record.Record){
		"a file":    func(r *record.Record) { r.Data.Job.StdoutFile = "secret" },
		"the end":   func(r *record.Record) { r.Data.Job.State, r.Data.Job.Final = "done", true },
		"an ending": func(r *record.Record) { r.Data.Job.StdoutFile, r.Data.Job.Final = "secret", true },
	} {
		b, s, id := newJob(t)
		rec := *b.history.record(t, id)
		job := *rec.Data.Job
		now := record.Now()
		rec.Data.Job, job.Checked = &job, &now
		told(&rec)
		b.history.put(t, &rec)
		s.state = "done"
		b.refresh(t)
		if job := b.history.record(t, id).Data.Job; !job.Final || strings.Join(job.Output, "") != "out\n" {
			t.Errorf("%s: the job is %+v", name, job)
		}
		b.isDone(t, id, "out\n")
	}
	b, s, id := newJob(t)
	rec := *b.history.record(t, id)
	rec.Data.PWD = "secret"
	b.history.put(t, &rec)
	s.state = "done"
	b.refresh(t)
	if job := b.history.record(t, id).Data.Job; !job.Final || len(job.Output) > 0 {
		t.Errorf("in another folder: the job is %+v", job)
	}
}

// While its job goes on, a task is neither run again nor cleared.
func TestOpenJobIsKept(t *testing.T) {
	b, s, id := newJob(t)
	if _, err := b.Rerun(context.Background(), string(id), RunOptions{}); !errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), "cancel") {
		t.Errorf("it is run again: %v", err)
	}
	if _, err := b.SelectTasks([]string{string(id)}); !errors.Is(err, record.ErrConflict) {
		t.Errorf("it may be cleared: %v", err)
	}
	s.state = "done"
	if _, err := b.Rerun(context.Background(), string(id), RunOptions{}); err != nil {
		t.Errorf("it is not run again once the job has ended: %v", err)
	}
	if n := len(b.history.order); n != 3 {
		t.Errorf("there are %d commits, not the run, its job's end and the rerun", n)
	}
}

// A job whose executor does not answer when it is submitted is asked for again.
func TestSilentExecutor(t *testing.T) {
	b, s, _ := newJob(t)
	s.silent = true
	id := b.run(t).Record.UID
	s.silent, s.state = false, "done"
	b.refresh(t)
	b.isDone(t, id, "out\n")
}
