package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/executor"
	"qme/executor/capture"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/record"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
)

// A history is a store in which commits are counted, delayed and refused.
type history struct {
	*gitstore.Store
	order    []record.ID // of the commits
	attempts int
	// before is called with each commit; its error is the commit's.
	before func(ctx context.Context, id record.ID) error
}

func (h *history) commit(ctx context.Context, _ *gitstore.Store, changes ...gitstore.Change) (string, error) {
	h.attempts++
	for _, c := range changes {
		if h.before != nil {
			if err := h.before(ctx, c.ID); err != nil {
				return "", err
			}
		}
	}
	was, err := h.Head()
	if err != nil {
		return "", err
	}
	version, err := h.Commit(ctx, changes...)
	if err == nil && version != was {
		for _, c := range changes {
			h.order = append(h.order, c.ID)
		}
	}
	return version, err
}

// record returns a task's record.
func (h *history) record(t *testing.T, id record.ID) *record.Record {
	t.Helper()
	rec, err := h.Get("", id)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// put puts a record in the place of its task's.
func (h *history) put(t *testing.T, rec *record.Record) {
	t.Helper()
	build := func(*record.Record, string) (*record.Record, error) { return rec, nil }
	if _, err := h.Commit(t.Context(), gitstore.Change{Verb: "run", What: rec.Command, ID: rec.UID, Build: build}); err != nil {
		t.Fatal(err)
	}
}

func newHistory(t *testing.T, fsys afero.Fs) *history {
	t.Helper()
	store, err := gitstore.Open(fsys, filepath.Join(t.TempDir(), "tasks.git"), gitstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &history{Store: store}
}

// A parcel is what one history pushes and another one fetches. It is a gitstore.Sink and a
// gitstore.Source.
type parcel struct {
	refs map[string]plumbing.Hash
	pack bytes.Buffer
}

// Refs implements gitstore.Sink and gitstore.Source.
func (p *parcel) Refs() map[string]plumbing.Hash { return p.refs }

// Update implements gitstore.Sink.
func (p *parcel) Update(_ context.Context, ref string, _, next plumbing.Hash, pack func(io.Writer) error) error {
	p.refs = map[string]plumbing.Hash{ref: next}
	return pack(&p.pack)
}

// Pack implements gitstore.Source.
func (p *parcel) Pack(context.Context, plumbing.Hash, []plumbing.Hash) (io.ReadCloser, error) {
	return io.NopCloser(&p.pack), nil
}

// pull merges what another history has.
func (h *history) pull(t *testing.T, from *history) {
	t.Helper()
	var p parcel
	_, err := from.Push(t.Context(), "there", &p, gitstore.PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Fetch(t.Context(), "here", &p, gitstore.FetchOptions{})
	if err == nil {
		_, err = h.Merge(t.Context(), got.Commit, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A bench is a Service upon a history, with what it has warned of.
type bench struct {
	*Service
	history *history
	said    []string
	dead    []record.ID // what dead processes have left
}

func newBench(t *testing.T, dead int) *bench {
	t.Helper()
	b := &bench{history: newHistory(t, afero.NewOsFs())}
	b.Service = &Service{
		Home:  t.TempDir(),
		Store: func() (*gitstore.Store, error) { return b.history.Store, nil },
		Spool: spool.New(afero.NewOsFs(), filepath.Join(t.TempDir(), "running")),
		Given: given.New(afero.NewOsFs(), filepath.Join(t.TempDir(), given.Name)),
		Run:   func(context.Context, capture.Spec) (*capture.Result, error) { return &capture.Result{PID: 1}, nil },
		Settings: Settings{Inline: 100, Keep: 1000, Env: func() []string { return nil },
			GitState: func(string) (*record.Git, worktree.Finding) { return nil, worktree.Finding{} }},
		Jobs: jobs.New(afero.NewOsFs(), filepath.Join(t.TempDir(), "jobs")),
		Warn: func(format string, args ...any) { b.said = append(b.said, fmt.Sprintf(format, args...)) },

		commitTo: b.history.commit,
	}
	for range dead {
		b.dead = append(b.dead, b.leave(t))
	}
	slices.Sort(b.dead)
	return b
}

// leave leaves a run in the spool as a process that died does.
func (b *bench) leave(t *testing.T) record.ID {
	t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Spool.Begin(&record.Record{Executor: "shell", UID: id, Command: "true", Data: record.Data{
		Cmd: []string{"true"}, Timestamp: record.Now(), Status: record.Running, Output: []string{}, Error: []string{}, Run: 1}})
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (b *bench) run(t *testing.T) *Report {
	t.Helper()
	rep, err := b.RunNew(context.Background(), executor.Command{Executor: "shell", Argv: []string{"true"}, Line: "true"}, RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// spooled lists what is in the spool.
func (b *bench) spooled(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(b.Spool.Dir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// whenBusy has the command end once the recovery beside it has come to the history.
func (b *bench) whenBusy() (arrived chan struct{}) {
	arrived = make(chan struct{})
	b.Run = func(context.Context, capture.Spec) (*capture.Result, error) {
		<-arrived
		return &capture.Result{PID: 1}, nil
	}
	return arrived
}

// TestOwnRecordFirst ends a run while the recovery waits for the history's lock: the
// recovery makes way, and goes on behind it.
func TestOwnRecordFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4)
	arrived, first := b.whenBusy(), true
	b.history.before = func(ctx context.Context, _ record.ID) error {
		if !first {
			return nil
		}
		first = false
		close(arrived)
		<-ctx.Done()
		return errBusy // as the store says when its wait is cut short
	}
	rep := b.run(t)
	if rep.Err != nil || len(b.said) > 0 {
		t.Errorf("the report says %v, the user was told %q", rep.Err, b.said)
	}
	if len(b.history.order) != 5 || b.history.order[0] != rep.Record.UID {
		t.Errorf("committed were %v, want %s first and then 4 others", b.history.order, rep.Record.UID)
	}
	if left := b.spooled(t); len(left) > 0 {
		t.Errorf("in the spool are left %v", left)
	}
}

// TestOneWait has the history be locked for good: the run waits for it once.
func TestOneWait(t *testing.T) {
	t.Parallel()
	b := newBench(t, 4)
	arrived, first := b.whenBusy(), true
	b.history.before = func(ctx context.Context, _ record.ID) error {
		if first {
			first = false
			close(arrived)
			<-ctx.Done()
		} else if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the run's own record waits without an end")
		}
		return errBusy
	}
	rep := b.run(t)
	if !errors.Is(rep.Err, ErrNotRecorded) || !errors.Is(rep.Err, record.ErrBusy) {
		t.Errorf("the report says %v", rep.Err)
	}
	if b.history.attempts != 2 {
		t.Errorf("the history was asked %d times, want once beside the command and once for the run", b.history.attempts)
	}
	if len(b.said) != 1 {
		t.Fatalf("the user was told %q", b.said)
	}
	for _, id := range b.dead {
		if !strings.Contains(b.said[0], string(id)) {
			t.Errorf("the warning does not name %s: %s", id, b.said[0])
		}
	}
	if left := b.spooled(t); len(left) != 5 {
		t.Errorf("in the spool are %v, want the run and 4 others", left)
	}
	b.history.before = nil
	if err := b.Recover(context.Background()); err != nil || len(b.history.order) != 5 {
		t.Errorf("Recover: %v, %d are committed", err, len(b.history.order))
	}
}

// TestBusyForAWhile has the history be locked only while the command runs. Until then
// the entries are anybody's.
func TestBusyForAWhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3)
	arrived, locked := b.whenBusy(), true
	b.history.before = func(context.Context, record.ID) error {
		if locked {
			locked = false
			close(arrived)
			return errBusy
		}
		return nil
	}
	if rep := b.run(t); rep.Err != nil || len(b.said) > 0 {
		t.Errorf("the report says %v, the user was told %q", rep.Err, b.said)
	}
	if left := b.spooled(t); len(left) > 0 || len(b.history.order) != 4 {
		t.Errorf("in the spool are left %v, committed %v", left, b.history.order)
	}
}

// TestRecover goes on behind an entry that cannot be committed, and stops at a lock.
func TestRecover(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err      error
		attempts int
	}{"locked": {errBusy, 1}, "full": {errors.New("disk full"), 3}} {
		b := newBench(t, 3)
		b.history.before = func(context.Context, record.ID) error { return c.err }
		err := b.Recover(context.Background())
		if !errors.Is(err, c.err) || b.history.attempts != c.attempts {
			t.Errorf("%s: %v after %d attempts, want %d", name, err, b.history.attempts, c.attempts)
		}
		for _, id := range b.dead {
			if err == nil || !strings.Contains(err.Error(), string(id)) {
				t.Errorf("%s: the error does not name %s", name, id)
			}
		}
		b.history.before = nil
		if err := b.Recover(context.Background()); err != nil || len(b.spooled(t)) > 0 {
			t.Errorf("%s: afterwards: %v, the spool holds %v", name, err, b.spooled(t))
		}
		for res := range b.List(Filter{}) {
			if res.Err != nil || res.Record.Data.Status != record.Cancelled {
				t.Errorf("%s: %s is %+v, %v", name, res.ID, res.Record, res.Err)
			}
		}
	}
	b := newBench(t, 1)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Recover(over); !errors.Is(err, context.Canceled) || b.history.attempts > 0 || len(b.spooled(t)) != 1 {
		t.Errorf("Recover when there is no time: %v", err)
	}
}

// TestRecoverFasterProcess has another process commit and remove an entry meanwhile.
func TestRecoverFasterProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.history.before = func(_ context.Context, id record.ID) error {
		return errors.Join(os.RemoveAll(filepath.Join(b.Spool.Dir(), string(id))), os.ErrNotExist)
	}
	if err := b.Recover(context.Background()); err != nil {
		t.Errorf("Recover: %v", err)
	}
}

// TestRecoverEmptyRecord ends an entry whose record a power cut has emptied, with one
// warning.
func TestRecoverEmptyRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	for i, id := range b.dead {
		dir := filepath.Join(b.Spool.Dir(), string(id))
		if err := errors.Join(os.Truncate(filepath.Join(dir, "record.json"), 0),
			os.WriteFile(filepath.Join(dir, "stderr"), []byte("output")[:6*i], 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := b.Recover(context.Background()); err != nil {
			t.Errorf("Recover: %v", err)
		}
	}
	slices.Sort(b.said)
	lost := filepath.Join(b.Spool.Dir(), "lost", string(b.dead[1])+".1")
	if len(b.said) != 2 || !strings.Contains(b.said[0]+b.said[1], string(b.dead[0])) || !strings.Contains(b.said[0]+b.said[1], lost) {
		t.Errorf("the user was told %q", b.said)
	}
	if got, err := os.ReadFile(filepath.Join(lost, "stderr")); err != nil || string(got) != "output" {
		t.Errorf("the output is %q, %v", got, err)
	}
	if left := b.spooled(t); len(left) != 1 || left[0] != "lost" {
		t.Errorf("in the spool are left %v", left)
	}
}

// TestRebase makes runs follow what the history has of their task.
func TestRebase(t *testing.T) {
	t.Parallel()
	zero := 0
	began := record.Now()
	later := record.Time{Time: began.Add(1)}
	run := func(at record.Time, host string, rc *int, n int) *record.Record {
		return &record.Record{Data: record.Data{Timestamp: at, Host: host, ReturnCode: rc, Run: n, Previous: fmt.Sprint("before ", n)}}
	}
	for name, c := range map[string]struct {
		rec, current *record.Record
		run          int
		previous     string
	}{
		"the first":                          {run(began, "h", &zero, 7), nil, 1, ""},
		"a rerun":                            {run(later, "h", &zero, 2), run(began, "h", &zero, 4), 5, "now"},
		"after one that counts no runs":      {run(later, "h", &zero, 2), run(began, "h", &zero, 0), 2, "now"},
		"at the same time on two machines":   {run(began, "h", &zero, 2), run(began, "i", &zero, 1), 2, "now"},
		"there already":                      {run(began, "h", &zero, 1), run(began, "h", &zero, 1), 0, ""},
		"cut off, there already":             {run(began, "h", nil, 1), run(began, "h", nil, 1), 0, ""},
		"cut off, there as it ended":         {run(began, "h", nil, 1), run(began, "h", &zero, 1), 0, ""},
		"as it ended, there as if cut off":   {run(began, "h", &zero, 1), run(began, "h", nil, 3), 3, "before 3"},
		"cut off, after another was cut off": {run(later, "h", nil, 1), run(began, "h", nil, 1), 2, "now"},
	} {
		got := rebase(c.rec, c.current, "now")
		switch {
		case (got == nil) != (c.run == 0):
			t.Errorf("%s: %v", name, got)
		case got != nil && (got.Data.Run != c.run || got.Data.Previous != c.previous):
			t.Errorf("%s: run %d after %q, want %d after %q", name, got.Data.Run, got.Data.Previous, c.run, c.previous)
		}
	}
}

// TestRecoverOfAnEarlierRun has a process die between its commit and the removal of
// its entry, and a merge put a later run of another machine in its record's place
// before the entry is found.
func TestRecoverOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	id := b.dead[0]
	rec, err := b.Spool.Get(id, 0)
	if err != nil {
		t.Fatal(err)
	}
	rec.Data.Status = record.Cancelled // as it was committed
	later := *rec
	later.Data.Host, later.Data.Timestamp = "elsewhere", record.Time{Time: rec.Data.Timestamp.Add(time.Hour)}
	other := newHistory(t, afero.NewOsFs())
	other.put(t, &later)
	b.history.put(t, rec)
	b.history.pull(t, other)
	if err := b.Recover(context.Background()); err != nil || b.history.attempts > 0 {
		t.Errorf("Recover: %v, with %d commits", err, b.history.attempts)
	}
	if left := b.spooled(t); len(left) > 0 {
		t.Errorf("the spool still has %q", left)
	}
	if b.history.record(t, id).Data.Host != "elsewhere" {
		t.Error("the later run is not the record any more")
	}
}

// TestRecoverSoon finds the history locked for good. One who only reads does not wait
// for the lock, and what is left is recovered later.
func TestRecoverSoon(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3)
	b.history.before = func(ctx context.Context, _ record.ID) error {
		<-ctx.Done() // as one who waits for a lock
		return fmt.Errorf("wait for the lock: %w", ctx.Err())
	}
	err := b.RecoverSoon(context.Background())
	if !errors.Is(err, record.ErrBusy) || b.history.attempts != 1 || len(b.spooled(t)) != 3 {
		t.Errorf("%v after %d attempts, and the spool holds %v", err, b.history.attempts, b.spooled(t))
	}
	for _, id := range b.dead {
		if err == nil || !strings.Contains(err.Error(), string(id)) {
			t.Errorf("the error does not name %s: %v", id, err)
		}
	}
	// Work that takes long, and waits for nobody, is not broken off.
	slow := newHistory(t, slow{afero.NewOsFs()})
	b.Store, b.commitTo = func() (*gitstore.Store, error) { return slow.Store, nil }, nil
	if err := b.RecoverSoon(context.Background()); err != nil || len(b.spooled(t)) != 0 {
		t.Errorf("%v, and the spool holds %v", err, b.spooled(t))
	}
}

// slow is a file system on which it takes more than a moment to write a pack.
type slow struct{ afero.Fs }

// Rename implements afero.Fs.
func (s slow) Rename(from, to string) error {
	if strings.HasSuffix(to, ".pack") {
		time.Sleep(readerTime + 10*time.Millisecond)
	}
	return s.Fs.Rename(from, to)
}
