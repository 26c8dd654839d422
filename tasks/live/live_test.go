package live_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	"qme/executor/capture"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/index/query"
	"qme/mirror/target"
	"qme/record"
	"qme/tasks"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/live"
	"qme/tasks/spool"
	"qme/tasks/waiting"
	"qme/tests/await"
)

// TestMain is this program on a home as well, as it is started for what follows a change and
// for a rerun.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "--home" {
		os.Exit(child(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// The files of a home in which a child says with which words it was started, and finds what it
// is to report.
const (
	startedFile = "started"
	reportFile  = "report"
)

func child(home string, words []string) int {
	f, err := os.OpenFile(filepath.Join(home, startedFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(strings.Join(words, " ") + "\n")
	}
	if err != nil {
		return 3
	}
	b, err := os.ReadFile(filepath.Join(home, reportFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	var rep live.Report
	to, rerr := live.NewReporter()
	if err := errors.Join(err, json.Unmarshal(b, &rep), rerr); err != nil {
		return 4
	}
	if err := errors.Join(to.Report(rep), to.Report(live.Report{})); err != nil {
		return 5
	}
	return 0
}

// A batch is an executor whose one job goes on until it is cancelled.
type batch struct {
	executor.Shell
	state string
	fails error // of its actions
}

// Name implements executor.Executor.
func (b *batch) Name() string { return "batch" }

// Actions implements executor.Executor.
func (b *batch) Actions() []executor.Action {
	return []executor.Action{
		{Name: "look", Options: []executor.Option{{Name: "follow"}, {Name: "to", Value: executor.FileValue}, {Name: "lines", Value: "N"}},
			Do: func(_ context.Context, c *executor.Call) error {
				_, err := io.WriteString(c.Out, "looked at "+c.Options["lines"])
				return errors.Join(err, b.fails)
			}},
		{Name: tasks.CancelAction, Alters: true, Do: func(context.Context, *executor.Call) error {
			if b.fails == nil {
				b.state = "cancelled"
			}
			return b.fails
		}},
	}
}

// Submitted implements executor.Tracker.
func (b *batch) Submitted(*record.Record) (*record.Job, error) { return &record.Job{ID: "7"}, nil }

// Refresh implements executor.Tracker.
func (b *batch) Refresh(_ context.Context, recs []*record.Record) []record.JobAnswer {
	answers := make([]record.JobAnswer, len(recs))
	for i := range recs {
		now := record.Now()
		answers[i].Job = &record.Job{ID: "7", State: b.state, Final: b.state == "cancelled", Checked: &now}
	}
	return answers
}

// Output implements executor.Tracker.
func (b *batch) Output(context.Context, *record.Record, record.StreamName) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("out\n")), nil
}

type bench struct {
	*live.Home
	batch *batch
	t     *testing.T
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, disk := t.TempDir(), afero.NewOsFs()
	store, err := gitstore.Open(disk, filepath.Join(dir, "tasks.git"), gitstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	b := &bench{t: t, batch: &batch{state: "running"}}
	b.Home = &live.Home{Store: store, Service: &tasks.Service{
		Home: dir, Store: func() (*gitstore.Store, error) { return store, nil },
		Spool: spool.New(disk, filepath.Join(dir, "running")), Jobs: jobs.New(disk, filepath.Join(dir, "jobs")),
		Given:     given.New(disk, filepath.Join(dir, given.Name)),
		Run:       func(context.Context, capture.Spec) (*capture.Result, error) { return &capture.Result{PID: 1}, nil },
		Executors: executor.NewSet(&executor.Shell{Program: "sh"}, b.batch),
		Following: tasks.Following{Apart: true, Mirror: noMirror},
		Warn:      func(format string, args ...any) { t.Errorf(format, args...) },
		Settings: tasks.Settings{Inline: 100, Keep: 1000, Searched: 1000, Host: "host", User: "alice",
			Env: func() []string { return nil }, GitState: func(string) (*record.Git, worktree.Finding) { return nil, worktree.Finding{} }},
	}}
	return b
}

// run records a task of an executor.
func (b *bench) run(executorName, command string) record.ID {
	b.t.Helper()
	rep, err := b.Service.RunNew(b.t.Context(), executor.Command{Executor: executorName, Argv: []string{"sh", "-c", command}, Line: command}, tasks.RunOptions{})
	if err == nil {
		err = rep.Err
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return rep.Record.UID
}

// foreign records a task of the executor batch, with a job, that another home has started.
func (b *bench) foreign() record.ID {
	b.t.Helper()
	id, err := record.NewID("batch")
	if err != nil {
		b.t.Fatal(err)
	}
	zero := 0
	rec := &record.Record{Executor: "batch", UID: id, Command: "sbatch x", Data: record.Data{Cmd: []string{"sbatch", "x"}, User: "eve", Host: "far", PWD: "/",
		Timestamp: record.Now(), Status: record.Complete, ReturnCode: &zero, Output: []string{}, Error: []string{}, Run: 1, Job: &record.Job{ID: "7", State: "running"}}}
	build := func(*record.Record, string) (*record.Record, error) { return rec, nil }
	if _, err := b.Store.Commit(b.t.Context(), gitstore.Change{Verb: "run", What: rec.Command, ID: id, Build: build}); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// running puts a task that is running into the spool.
func (b *bench) running() record.ID {
	b.t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		b.t.Fatal(err)
	}
	e, err := b.Service.Spool.Begin(&record.Record{Executor: "shell", UID: id, Command: "sleep", Data: record.Data{
		Cmd: []string{"sleep"}, Timestamp: record.Now(), Status: record.Running, Output: []string{}, Error: []string{}, Run: 1}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = errors.Join(e.Remove(), e.Close()) })
	return id
}

// started waits for so many children, and returns the words of all that there were.
func (b *bench) started(n int) []string {
	b.t.Helper()
	path := filepath.Join(b.Service.Home, startedFile)
	var lines []string
	if !await.Holds(func() bool {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			b.t.Fatal(err)
		}
		lines = strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
		return len(lines) >= n
	}) {
		b.t.Fatalf("there were fewer than %d children: %q", n, lines)
	}
	return lines
}

func TestDifferences(t *testing.T) {
	b := newBench(t)
	first := b.run("shell", "true one")
	before, err := b.Head()
	if err != nil {
		t.Fatal(err)
	}
	second := b.run("shell", "true two")
	if n, err := b.Clear(t.Context(), []record.ID{first}); n != 1 || err != nil {
		t.Fatalf("%d tasks were cleared: %v", n, err)
	}
	commit, records, err := b.Latest()
	if err != nil {
		t.Fatal(err)
	}
	var ids []record.ID
	for res := range records {
		ids = append(ids, res.ID)
	}
	if !slices.Equal(ids, []record.ID{second}) {
		t.Errorf("the history has %v, not %v", ids, second)
	}
	list, err := b.Differences(t.Context(), before, commit)
	if err != nil {
		t.Fatal(err)
	}
	got := map[record.ID]string{}
	for _, d := range list {
		if got[d.ID] = "gone"; d.Record != nil {
			got[d.ID] = d.Record.Command
		}
	}
	if len(got) != 2 || got[first] != "gone" || got[second] != "true two" {
		t.Errorf("the differences are %v", got)
	}
}

func TestFindNumbersTheLatestRun(t *testing.T) {
	b := newBench(t)
	id := b.run("shell", "true")
	if _, err := b.Service.Rerun(t.Context(), string(id), tasks.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	for number, want := range map[int]int{0: 2, 1: 1, 2: 2} {
		if v, err := b.Find(string(id), number); v.Number != want || err != nil {
			t.Errorf("run %d is %d: %v", number, v.Number, err)
		}
	}
	if c, err := b.Compare(string(id), 1, 2); err != nil || c.A.Number != 1 || c.B.Number != 2 {
		t.Errorf("comparing the runs: %v", err)
	}
	if _, err := b.Find(string(id), 3); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("a run that there is not: %v", err)
	}
}

// A clear is one commit of all tasks, or none, and is no reason for a sync.
func TestClear(t *testing.T) {
	b := newBench(t)
	b.Service.Following.Sync = true
	one, two, runs := b.run("shell", "true"), b.run("shell", "true"), b.running()
	if _, err := b.Clear(t.Context(), []record.ID{one, runs}); !errors.Is(err, record.ErrConflict) {
		t.Errorf("with one that is running: %v", err)
	}
	if n, err := b.Clear(t.Context(), []record.ID{one, two, one}); n != 2 || err != nil {
		t.Errorf("%d were cleared: %v", n, err)
	}
	if _, err := b.Find(string(one), 0); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("a task that was cleared: %v", err)
	}
	if words := b.started(0); len(words) > 0 {
		t.Errorf("it has started %q", words)
	}
}

func TestSearch(t *testing.T) {
	b := newBench(t)
	b.run("shell", "true one")
	want := []record.ID{b.run("shell", "true needle")}
	if ids, err := b.Search(t.Context(), "needle", time.Now()); !slices.Equal(ids, want) || err != nil {
		t.Errorf("it finds %v, not %v: %v", ids, want, err)
	}
	var wrong *query.SyntaxError
	if _, err := b.Search(t.Context(), `"needle`, time.Now()); !errors.As(err, &wrong) {
		t.Errorf("a query that makes no sense: %v", err)
	}
}

// What needs a terminal or names files of this machine is not offered, nor a cancel of what has
// ended.
func TestActions(t *testing.T) {
	b := newBench(t)
	v, err := b.Find(string(b.run("batch", "sbatch x")), 0)
	if err != nil {
		t.Fatal(err)
	}
	names := func() (list []string) {
		for _, a := range b.Actions(v.Record) {
			list = append(list, a.Name)
			for _, o := range a.Options {
				list = append(list, "--"+o.Name)
			}
		}
		return list
	}
	if got := names(); !slices.Equal(got, []string{"look", "--lines", tasks.CancelAction}) {
		t.Errorf("of a job that goes on: %q", got)
	}
	v.Record.Data.Job.Final = true
	if got := names(); !slices.Equal(got, []string{"look", "--lines"}) {
		t.Errorf("of a job that has ended: %q", got)
	}
	if v.Record.Executor = "unknown"; names() != nil {
		t.Errorf("of an executor that is not known: %q", names())
	}
}

func TestAct(t *testing.T) {
	b := newBench(t)
	id := b.run("batch", "sbatch x")
	var out bytes.Buffer
	r := live.Request{Action: "look", Options: map[string]string{"lines": "3"}, Out: &out, Err: io.Discard, Warn: b.Service.Warn}
	if err := b.Act(t.Context(), id, r); err != nil || out.String() != "looked at 3" {
		t.Errorf("it printed %q: %v", out.String(), err)
	}
	if r.Action = "dance"; !errors.Is(b.Act(t.Context(), id, r), record.ErrNotFound) {
		t.Error("it performs an action that there is not")
	}
	if err := b.Act(t.Context(), "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", r); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("a task that there is not: %v", err)
	}
}

// The end of a job is in the record, and follows to the remote.
func TestCancelOfAJob(t *testing.T) {
	b := newBench(t)
	id := b.run("batch", "sbatch x")
	b.batch.fails = errors.New("the scheduler is asleep")
	if err := b.Cancel(t.Context(), id, live.Agreement{}); !errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), "asleep") {
		t.Errorf("a cancel that fails: %v", err)
	}
	b.Service.Following.Sync = true
	if b.batch.fails = nil; b.Cancel(t.Context(), id, live.Agreement{}) != nil {
		t.Error("it is not cancelled")
	}
	v, err := b.Find(string(id), 0)
	if err != nil || v.Record.Data.Job.State != "cancelled" {
		t.Errorf("the job is recorded as %+v: %v", v.Record.Data.Job, err)
	}
	if words := b.started(1); !slices.Equal(words, []string{"sync --auto"}) {
		t.Errorf("it has started %q", words)
	}
	if err := b.Cancel(t.Context(), id, live.Agreement{}); !errors.Is(err, record.ErrConflict) {
		t.Errorf("a cancel of what has ended: %v", err)
	}
}

// Another home's job is ended for a client alone that agrees to what was shown.
func TestCancelOfAForeignJob(t *testing.T) {
	b := newBench(t)
	id := b.foreign()
	var shown *tasks.ForeignError
	for _, a := range []live.Agreement{{}, {Digest: "of something else", Confirm: true}} {
		if err := b.Cancel(t.Context(), id, a); !errors.As(err, &shown) || b.batch.state != "running" {
			t.Fatalf("with %+v: %v, and the job is %s", a, err, b.batch.state)
		}
	}
	if shown.User != "eve" || shown.Action != tasks.CancelAction || shown.Target != "job 7" {
		t.Errorf("it shows %+v", shown)
	}
	if err := b.Cancel(t.Context(), id, live.Agreement{Confirm: true, Digest: shown.Digest}); err != nil || b.batch.state != "cancelled" {
		t.Errorf("with an agreement: %v, and the job is %s", err, b.batch.state)
	}
}

func TestRefresh(t *testing.T) {
	b := newBench(t)
	id := b.run("batch", "sbatch x")
	b.Service.Following.Sync = true
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.batch.state = "held"
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Find(string(id), 0); err != nil || v.Record.Data.Job.State != "held" {
		t.Errorf("the job is recorded as %+v: %v", v.Record.Data.Job, err)
	}
	b.started(1)
	broken := errors.New("the settings are wrong")
	b.Service.Following.Mirror = func() (*target.Target, error) { return nil, broken }
	b.batch.state = "cancelled"
	if err := b.Refresh(t.Context()); !errors.Is(err, broken) {
		t.Errorf("a mirror that is not known: %v", err)
	}
	b.started(2) // before the home goes
}

func noMirror() (*target.Target, error) { return nil, nil }

// A watch follows a task from the queue over two tries to the history, and one that is cancelled there.
func TestWatchQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Service.Waiting = waiting.New(afero.NewOsFs(), filepath.Join(b.Service.Home, "queue"))
	w := &tasks.Watch{History: b.Home, Spool: b.Service.Spool, Queue: b.Queue(), Queued: b.Queued}
	last := map[record.ID]record.Outcome{}
	take := func(c tasks.Changes) {
		for _, one := range c.List {
			switch {
			case one.Record != nil:
				last[one.ID] = one.Record.Outcome()
			case !one.Uncommitted:
				delete(last, one.ID)
			}
		}
	}
	next := func(what string, id record.ID, want record.Outcome) {
		t.Helper()
		if err := w.Next(t.Context(), take); err != nil {
			t.Fatal(err)
		}
		if got, there := last[id]; !there || got != want {
			t.Errorf("%s: it is %v (%t), want %v", what, got, there, want)
		}
	}
	add := func() record.ID {
		t.Helper()
		rec, err := b.Service.Add(t.Context(), executor.Command{Executor: "shell", Argv: []string{"true"}, Line: "true"},
			tasks.AddOptions{Terms: waiting.Terms{Tries: 2}, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return rec.UID
	}
	begin := func(id record.ID) (*spool.Entry, *record.Record) {
		t.Helper()
		rec, err := b.Service.Waiting.Record(id)
		if err != nil {
			t.Fatal(err)
		}
		rec.Data.Status = record.Running
		e, err := b.Service.Spool.Begin(rec)
		if err != nil {
			t.Fatal(err)
		}
		return e, rec
	}
	first := add()
	if err := w.Begin(b.Head, take); err != nil {
		t.Fatal(err)
	}
	if last[first] != record.Queued || w.Waiting() != 1 || !w.Covers(first) {
		t.Errorf("at first it is %v", last)
	}
	second := add()
	next("another was added", second, record.Queued)
	e, _ := begin(first)
	next("a start in vain", first, record.Goes)
	if err := e.Remove(); err != nil {
		t.Fatal(err)
	}
	next("after a start in vain", first, record.Queued)
	e, rec := begin(first)
	if err := b.Service.Waiting.Claim(first, e.Queued()); err != nil {
		t.Fatal(err)
	}
	next("it has started", first, record.Goes)
	one, now := 1, record.Now()
	rec.Data.Status, rec.Data.ReturnCode, rec.Data.Finished = record.Complete, &one, &now
	build := func(*record.Record, string) (*record.Record, error) { return rec, nil }
	if _, err := b.Store.Commit(t.Context(), gitstore.Change{Verb: "run", What: "true", ID: first, Build: build}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Service.Waiting.Return(first, e.Queued(), e.MoveQueued, (*waiting.Entry).Next), e.Remove()); err != nil {
		t.Fatal(err)
	}
	next("it waits again", first, record.Queued)
	if _, err := b.Service.TakeOut(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	next("the other was taken out", second, record.Stopped)
	if w.Waiting() != 1 || w.Uncommitted() != 0 {
		t.Errorf("%d wait, %d run", w.Waiting(), w.Uncommitted())
	}
}
