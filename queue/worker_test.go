package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/executor"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/internal/regular"
	"qme/record"
	"qme/tasks"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
	"qme/tasks/waiting"
	"qme/tests/await"
	"qme/tests/unfinished"
)

// noLocksVariable has a worker work as on a file system without locks.
const noLocksVariable = "QUEUE_TEST_NO_LOCKS"

// TestMain is this program as a worker or a supervisor as well, with the arguments of qme.
func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == "--home" && os.Args[3] == "queue" {
		if err := background(os.Args[2], os.Args[4:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func background(home string, words []string) error {
	q := New(serviceIn(home), Options{noLocks: os.Getenv(noLocksVariable) != ""})
	switch words[0] {
	case "work":
		return q.Work(context.Background())
	case TellWord:
		return q.Tell(context.Background(), record.ID(words[1]))
	}
	_, err := q.Supervise(context.Background(), record.ID(words[1]), words[2], words[3:])
	if err != nil {
		return errors.Join(err, q.Log().Note(err))
	}
	return nil
}

func serviceIn(home string) *tasks.Service {
	disk := regular.NewFS()
	s := &tasks.Service{
		Home: home,
		Store: func() (*gitstore.Store, error) {
			return gitstore.Open(disk, filepath.Join(home, "tasks.git"), gitstore.Options{NoSync: true})
		},
		Spool:   spool.New(disk, filepath.Join(home, "running")),
		Waiting: waiting.New(disk, filepath.Join(home, "queue")),
		Given:   given.New(disk, filepath.Join(home, given.Name)),
		Jobs:    jobs.New(disk, filepath.Join(home, "jobs")),
		Settings: tasks.Settings{Inline: 1000, Keep: 10000, KillGrace: time.Second, Env: func() []string { return nil }, Host: Here().Host,
			GitState: func(string) (*record.Git, worktree.Finding) { return nil, worktree.Finding{} }},
	}
	s.Warn = func(format string, args ...any) { _ = tasks.NewLog(home, "warnings").Note(fmt.Errorf(format, args...)) }
	return s
}

// A bench is a home with a queue.
type bench struct {
	*Queue
	t   *testing.T
	dir string // where the tasks run
}

func newBench(t *testing.T) *bench {
	b := &bench{New(serviceIn(t.TempDir()), Options{}), t, t.TempDir()}
	t.Cleanup(b.end)
	return b
}

// end waits until nothing works in the home any more.
func (b *bench) end() {
	await.That(b.t, "no process", func() bool { return !b.working(b.Here()) && !b.processes() })
	for _, name := range []string{"queue.log", "warnings"} {
		if text, err := os.ReadFile(filepath.Join(b.Service.Home, name)); err == nil && !b.t.Failed() {
			b.t.Errorf("%s: %s", name, text)
		}
	}
}

// processes reports whether a worker or a supervisor of the home is alive, where the system has /proc.
func (b *bench) processes() bool {
	workers, supervisors, err := unfinished.Processes(b.Service.Home)
	b.must(err)
	return len(workers)+len(supervisors) > 0
}

// add adds a command line, which starts nothing.
func (b *bench) add(line string, terms waiting.Terms) record.ID {
	b.t.Helper()
	terms.Place = b.Here().String()
	rec, err := b.Service.Add(b.t.Context(), executor.Command{Executor: "shell", Argv: []string{"sh", "-c", line}, Line: line},
		tasks.AddOptions{Terms: terms, Env: []string{"PATH=" + os.Getenv("PATH")}, Umask: 0o22, Dir: b.dir})
	if err != nil {
		b.t.Fatal(err)
	}
	return rec.UID
}

// logged returns a command line that notes its begin and end in a file, which is appended to in one piece.
func logged(name, line string) string {
	return fmt.Sprintf("echo begin %s >>log; (%s); code=$?; echo end %s >>log; exit $code", name, line, name)
}

func (b *bench) log() []string {
	text, err := os.ReadFile(filepath.Join(b.dir, "log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.t.Fatal(err)
	}
	return strings.Fields(strings.ReplaceAll(string(text), " ", "-"))
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// empty reports whether nothing waits and nothing runs.
func (b *bench) empty() bool { return len(b.left()) == 0 }

func (b *bench) left() []string {
	names, err := unfinished.Tasks(b.Service.Home)
	b.must(err)
	return names
}

// runs returns the return codes of the runs of a task, the first one first; -1 for one that has none.
func (b *bench) runs(id record.ID) (codes []int) {
	b.t.Helper()
	for v, err := range b.Service.Runs(string(id)) {
		b.must(err)
		code := -1
		if c := v.Record.Data.ReturnCode; c != nil {
			code = *c
		}
		codes = append(codes, code)
	}
	slices.Reverse(codes)
	return codes
}

// most returns how many tasks ran at once.
func most(log []string) (n int) {
	now := 0
	for _, line := range log {
		if strings.HasPrefix(line, "begin-") {
			now++
		} else {
			now--
		}
		n = max(n, now)
	}
	return n
}

func TestWork(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	slots := 2
	_, err := b.Slots(t.Context(), "", SlotsChange{Slots: &slots})
	b.must(err)
	bad := b.add(logged("bad", "exit 3"), waiting.Terms{Tries: 3, Priority: 1})
	good := b.add(logged("good", "sleep 0.1"), waiting.Terms{})
	cleanup := b.add(logged("cleanup", "true"), waiting.Terms{After: []waiting.After{{Task: bad, On: waiting.OnFailure}, {Task: good, On: waiting.OnSuccess}}})
	never := b.add(logged("never", "true"), waiting.Terms{After: []waiting.After{{Task: bad, On: waiting.OnSuccess}}})
	held := b.add(logged("held", "true"), waiting.Terms{Held: true})
	for i := range 6 {
		b.add(logged(fmt.Sprint(i), "sleep 0.05"), waiting.Terms{})
	}
	b.must(b.Wake(t.Context()))
	await.That(t, "two tasks left", func() bool { return len(b.left()) == 2 })
	for id, want := range map[record.ID][]int{bad: {3, 3, 3}, good: {0}, cleanup: {0}} {
		if got := b.runs(id); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	p, err := b.Reasons(t.Context())
	b.must(err)
	if len(p.Waiting) != 2 || p.Waiting[0].ID != never || p.Waiting[0].Reason.Word != Blocked || p.Waiting[1].ID != held || p.Waiting[1].Reason.Word != Held {
		t.Errorf("%+v", p.Waiting)
	}
	log := b.log()
	if !slices.Contains(log[:2], "begin-bad") || most(log) > 2 {
		t.Errorf("%d at once: %v", most(log), log)
	}
	await.That(t, "no worker", func() bool { return !b.working(b.Here()) })
	// Nothing that ends wakes a worker but the task for which another one waits.
	b.must(b.RunEnded(t.Context(), good))
	if b.working(b.Here()) {
		t.Error("a worker was started")
	}
	_, err = b.Release(t.Context(), held)
	b.must(err)
	await.That(t, "one task left", func() bool { return len(b.left()) == 1 })
}

// TestIdle has no run start a worker when none waits for it, however many tasks wait for others in the queue.
func TestIdle(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var outside []record.ID
	w := &worker{q: b.Queue, here: b.Here(), shelf: newShelf(b.Queue)}
	held := b.add("true", waiting.Terms{Held: true})
	gone, err := record.NewID("shell")
	b.must(err)
	b.must(w.shelf.refresh(true))
	for range 2 * mostAwaited { // as if as many tasks waited for two others
		w.shelf.order = append(w.shelf.order, &Task{Terms: waiting.Terms{After: []waiting.After{{Task: held, On: waiting.OnEnd}, {Task: gone, On: waiting.OnEnd}}}})
	}
	if outside = w.awaited(); !slices.Equal(outside, []record.ID{gone}) {
		t.Fatalf("%d tasks: %.3v, want %s", len(outside), outside, gone)
	}
	b.must(os.MkdirAll(b.file(workerFolder), 0o700))
	b.must(b.writeIdle(b.Here(), outside))
	started := 0
	b.options.Itself = func(context.Context, ...string) (*exec.Cmd, error) {
		started++
		return nil, fs.ErrInvalid
	}
	other, err := record.NewID("shell")
	b.must(err)
	b.must(b.RunEnded(t.Context(), other))
	if started != 0 {
		t.Error("the end of another task has started a worker")
	}
	if err := b.RunEnded(t.Context(), gone); started != 1 {
		t.Errorf("the end of the task has started %d workers: %v", started, err)
	}
}

func TestHalt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bad := b.add(logged("bad", "exit 3"), waiting.Terms{Halt: true, Tries: 2})
	b.add(logged("next", "true"), waiting.Terms{})
	b.must(b.Wake(t.Context()))
	await.That(t, "paused", func() bool { s, err := b.State(); b.must(err); return s.paused("") != nil })
	await.That(t, "one task left", func() bool { return len(b.left()) == 1 })
	p, err := b.Reasons(t.Context())
	b.must(err)
	if r := p.Waiting[0].Reason; r.Word != Paused || r.Halted != bad {
		t.Errorf("%+v", r)
	}
	if got := b.log(); !slices.Equal(got, []string{"begin-bad", "end-bad", "begin-bad", "end-bad"}) {
		t.Errorf("%v", got)
	}
	_, err = b.Resume(t.Context(), nil)
	b.must(err)
	await.That(t, "nothing left", b.empty)
}

// worker starts a worker that can be killed.
func (b *bench) worker(env ...string) *exec.Cmd {
	b.t.Helper()
	cmd, err := b.Service.Itself(context.Background(), "queue", "work")
	b.must(err)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	b.must(cmd.Start())
	return cmd
}

// TestKilledWorkers kills workers while tasks run. Each runs once, and never more at once than there are slots.
func TestKilledWorkers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	slots := 3
	_, err := b.Slots(t.Context(), "", SlotsChange{Slots: &slots})
	b.must(err)
	var ids []record.ID
	for i := range 30 {
		ids = append(ids, b.add(logged(fmt.Sprint(i), "sleep 0.1"), waiting.Terms{}))
	}
	for n := 3; n < 30; n += 4 {
		cmd := b.worker()
		await.That(t, "some more have begun", func() bool { return len(b.log()) > n || b.empty() })
		b.must(cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait() // it was killed
	}
	b.must(b.Wake(t.Context()))
	await.That(t, "nothing left", b.empty)
	for _, id := range ids {
		if got := b.runs(id); !slices.Equal(got, []int{0}) {
			t.Errorf("%s: %v", id, got)
		}
	}
	if log := b.log(); len(log) != 60 || most(log) > 3 {
		t.Errorf("%d lines, %d at once", len(log), most(log))
	}
}

// TestWorkersWithoutLocks has several workers begin at once.
func TestWorkersWithoutLocks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var ids []record.ID
	for i := range 10 {
		ids = append(ids, b.add(logged(fmt.Sprint(i), "sleep 0.05"), waiting.Terms{}))
	}
	var workers []*exec.Cmd
	for range 4 {
		workers = append(workers, b.worker(noLocksVariable+"=1"))
	}
	await.That(t, "nothing left", b.empty)
	for _, w := range workers {
		b.must(w.Wait())
	}
	for _, id := range ids {
		if got := b.runs(id); !slices.Equal(got, []int{0}) {
			t.Errorf("%s: %v", id, got)
		}
	}
	if log := b.log(); len(log) != 20 || most(log) != 1 {
		t.Errorf("%d at once: %v", most(log), log)
	}
}

// TestGPUsAreAssigned has more tasks than GPUs.
func TestGPUsAreAssigned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	slots, gpus := 4, []string{"0", "MIG-1", "2"}
	_, err := b.Slots(t.Context(), "", SlotsChange{Slots: &slots, GPUs: &gpus})
	b.must(err)
	for i := range 8 {
		line := `for g in $(echo "$CUDA_VISIBLE_DEVICES" | tr , " "); do mkdir "lock-$g" || echo twice >>failed; done; sleep 0.05; for g in $(echo "$CUDA_VISIBLE_DEVICES" | tr , " "); do rmdir "lock-$g"; echo "$g" >>used; done`
		b.add(line, waiting.Terms{GPUs: 1 + i%2})
	}
	none := b.add(`echo "${CUDA_VISIBLE_DEVICES-unset}" >none`, waiting.Terms{})
	b.must(b.Wake(t.Context()))
	await.That(t, "nothing left", b.empty)
	if _, err := os.Stat(filepath.Join(b.dir, "failed")); err == nil {
		t.Error("two tasks had the same GPU at once")
	}
	used, err := os.ReadFile(filepath.Join(b.dir, "used"))
	b.must(err)
	if n := len(strings.Fields(string(used))); n != 12 {
		t.Errorf("%d GPUs were assigned, want 12: %s", n, used)
	}
	text, err := os.ReadFile(filepath.Join(b.dir, "none"))
	b.must(err)
	if string(text) != "unset\n" {
		t.Errorf("%s, which asked for none, has %s", none, text)
	}
}

// TestShelf compares what a shelf has with what waits, after changes of which it was told nothing.
func TestShelf(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := newShelf(b.Queue)
	var ids []record.ID
	for i := range 40 {
		switch {
		case i%4 == 3:
			b.must(b.Service.Waiting.Change(t.Context(), ids[i%len(ids)], func(e *waiting.Entry, _ *record.Record) error { e.Priority += 7; return nil }))
		case i%10 == 9:
			_, err := b.Service.TakeOut(t.Context(), ids[0])
			b.must(err)
			ids = ids[1:]
		default:
			ids = append(ids, b.add("true", waiting.Terms{Priority: i * 7 % 5}))
		}
		if i%3 == 0 {
			s.look(ids[len(ids)-1])
			s.drop(ids[0])
			s.look(ids[0])
		}
		b.must(s.refresh(true))
		want, damaged, err := b.read(b.Service.Waiting.IDs)
		b.must(errors.Join(append(damaged, err)...))
		if got := fmt.Sprint(values(s.order)); got != fmt.Sprint(values(want)) {
			t.Fatalf("step %d: %v\nwant %v", i, got, values(want))
		}
	}
}

func values(list []*Task) (all []Task) {
	for _, t := range list {
		all = append(all, *t)
	}
	return all
}

// TestPassedByForLonger has a task fail to start again and again.
func TestPassedByForLonger(t *testing.T) {
	t.Parallel()
	id := taskID(1)
	w := worker{shelf: newShelf(nil), aside: map[record.ID]time.Time{}, pauses: map[record.ID]time.Duration{}, own: map[record.ID]Holding{id: {}}}
	for _, want := range []time.Duration{lookAside, 2 * lookAside, 4 * lookAside} {
		if w.passBy(id); w.pauses[id] != want || time.Until(w.aside[id]) > want {
			t.Errorf("it is passed by for %v, want %v", w.pauses[id], want)
		}
		w.takeBack()
	}
	for range 10 {
		w.passBy(id)
	}
	if w.pauses[id] != mostAside {
		t.Errorf("after many times it is passed by for %v, want %v", w.pauses[id], mostAside)
	}
	delete(w.own, id) // and it does not wait any more
	if w.takeBack(); len(w.pauses)+len(w.aside) > 0 {
		t.Errorf("a task that is gone is remembered: %v, %v", w.pauses, w.aside)
	}
}
