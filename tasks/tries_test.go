package tasks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/executor"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/internal/regular"
	"qme/provenance"
	"qme/record"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
	"qme/tasks/waiting"
	"qme/tests/await"
	"qme/tests/unfinished"
)

// actWord begins the arguments of this program as a process of a home; the home, what it does and a task
// follow.
const actWord = "act-on-home"

// TestMain is this program as a process that works on a home as well.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == actWord {
		os.Exit(act(os.Args[2], os.Args[3], record.ID(os.Args[4])))
	}
	os.Exit(m.Run())
}

// wholeVariable has a process record all that there is of a run.
const wholeVariable = "TEST_RECORD_ALL"

// recordAll has all be recorded that there is of a run.
func recordAll(q *Service) {
	q.Settings.Files, q.Settings.Software, q.Settings.Patch = true, true, 1<<20
	q.Settings.Hashes = provenance.Limits{File: 64 << 20, Run: 64 << 20, Wait: 10 * time.Second, Cache: filepath.Join(q.Home, "hashes")}
	q.Settings.Packages.Wait = 10 * time.Second
	q.Settings.GitState = func(dir string) (*record.Git, worktree.Finding) { return worktree.Look(dir, 10*time.Second) }
}

// act does something in a home.
func act(home, what string, id record.ID) int {
	q := serviceIn(dying(os.Getenv(dieVariable)), home, func(format string, args ...any) { fmt.Fprintf(os.Stderr, "qme: "+format+"\n", args...) })
	if os.Getenv(wholeVariable) != "" {
		recordAll(q)
	}
	var err error
	if os.Getenv(noLocksVariable) != "" {
		if err = withoutLocks(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	switch what {
	case "supervise":
		var rep *Report
		if rep, err = q.Supervise(context.Background(), id, SuperviseOptions{}); err == nil {
			err = rep.Err
		}
	case "take out":
		_, err = q.TakeOut(context.Background(), id)
	case "recover":
		err = q.Recover(context.Background())
	case "add":
		_, err = q.Add(context.Background(), executor.Command{Executor: "shell", Argv: []string{"true"}, Line: "true"}, AddOptions{Env: []string{"PATH=" + os.Getenv("PATH")}})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serviceIn returns the use cases of a home on disk.
func serviceIn(fsys afero.Fs, home string, warn func(string, ...any)) *Service {
	return &Service{
		Home: home,
		Store: func() (*gitstore.Store, error) {
			return gitstore.Open(fsys, filepath.Join(home, "tasks.git"), gitstore.Options{NoSync: true})
		},
		Spool:   spool.New(fsys, filepath.Join(home, "running")),
		Waiting: waiting.New(fsys, filepath.Join(home, "queue")),
		Given:   given.New(fsys, filepath.Join(home, given.Name)),
		Settings: Settings{Inline: 1000, Keep: 10000, Env: func() []string { return nil }, Within: os.Getenv(Variable), WithinRun: os.Getenv(RunVariable),
			GitState: func(string) (*record.Git, worktree.Finding) { return nil, worktree.Finding{} }},
		Jobs: jobs.New(fsys, filepath.Join(home, "jobs")),
		Warn: warn,
	}
}

// A queued is a home with a queue.
type queued struct {
	*Service
	t *testing.T
}

func newQueued(t *testing.T) *queued {
	return &queued{serviceIn(regular.NewFS(), t.TempDir(), func(format string, args ...any) { t.Logf("qme: "+format, args...) }), t}
}

// add adds a command line to the queue.
func (b *queued) add(line string, terms waiting.Terms) *record.Record {
	b.t.Helper()
	rec, err := b.Add(b.t.Context(), shell(line),
		AddOptions{Terms: terms, Env: []string{"PATH=" + os.Getenv("PATH"), "WORD=of the task"}, Umask: 0o27, Dir: b.t.TempDir()})
	if err != nil {
		b.t.Fatal(err)
	}
	return rec
}

// sh runs a script in a folder.
func (b *queued) sh(dir, script string, args ...string) string {
	b.t.Helper()
	cmd := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %v: %s", script, err, out)
	}
	return string(out)
}

// supervisor returns a process that runs a task, in a session of its own.
func (b *queued) supervisor(id record.ID) *exec.Cmd { return b.process("supervise", id) }

// process returns a process that does something with a task, in a session of its own.
func (b *queued) process(what string, id record.ID) *exec.Cmd {
	b.t.Helper()
	env, err := b.Waiting.Environment(id)
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		b.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(self, actWord, b.Home, what, string(id))
	cmd.Env, cmd.Stderr, cmd.SysProcAttr = env, os.Stderr, &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// supervise runs a task.
func (b *queued) supervise(id record.ID) {
	b.t.Helper()
	if err := b.supervisor(id).Run(); err != nil {
		b.t.Fatal(err)
	}
}

// runs returns the records of all runs of a task that are in the history, the first one first.
func (b *queued) runs(id record.ID) (all []*record.Record) {
	b.t.Helper()
	for v, err := range b.Runs(string(id)) {
		if errors.Is(err, record.ErrNotFound) {
			return nil
		} else if err != nil {
			b.t.Fatal(err)
		}
		if status := v.Record.Data.Status; status != record.Running && status != record.None {
			all = append(all, v.Record)
		}
	}
	slices.Reverse(all)
	return all
}

// left lists what is in the spool and in the queue.
func (b *queued) left() []string {
	b.t.Helper()
	names, err := unfinished.Tasks(b.Home)
	if err != nil {
		b.t.Fatal(err)
	}
	return names
}

func TestAddAndSupervise(t *testing.T) {
	t.Parallel()
	b := newQueued(t)
	rec := b.add(`printf '%s in %s %s' "$WORD" "$PWD" $(umask); exit 3`, waiting.Terms{Queue: "gpu"})
	if got, err := b.Waiting.Record(rec.UID); err != nil || !got.IsQueued() || got.Data.Queue.Name != "gpu" {
		t.Fatalf("%+v, %v", got, err)
	}
	if own, err := b.Own(rec); err != nil || !own {
		t.Errorf("given here: %v, %v", own, err)
	}
	b.supervise(rec.UID)
	runs := b.runs(rec.UID)
	if len(runs) != 1 {
		t.Fatalf("%d runs", len(runs))
	}
	d := runs[0].Data
	if want := "of the task in " + rec.Data.PWD + " 0027"; d.Status != record.Complete || *d.ReturnCode != 3 || strings.Join(d.Output, "") != want {
		t.Errorf("%s, %d, %q; want %q", d.Status, *d.ReturnCode, d.Output, want)
	}
	if d.RunID != rec.Data.RunID || d.Queue == nil || d.Queue.Name != "gpu" || d.Queue.Added != rec.Data.Queue.Added || d.Stdin.Kind != "null" {
		t.Errorf("%+v, %+v", d.Queue, d.Stdin)
	}
	if left := b.left(); left != nil {
		t.Errorf("left: %q", left)
	}
	if envs, err := afero.ReadDir(afero.NewOsFs(), filepath.Join(b.Home, "queue", ".env")); err != nil || len(envs) != 0 {
		t.Errorf("environments: %v, %v", envs, err)
	}
}

// begun starts a supervisor and waits until the command of its task has written a file.
func (b *queued) begun(rec *record.Record) *exec.Cmd {
	b.t.Helper()
	cmd := b.supervisor(rec.UID)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	await.That(b.t, "begun", func() bool {
		_, err := os.Stat(filepath.Join(rec.Data.PWD, "begun"))
		return err == nil
	})
	return cmd
}

// state describes the runs of a task for comparison.
func (b *queued) state(id record.ID) string {
	b.t.Helper()
	var words []string
	for _, rec := range b.runs(id) {
		word := string(rec.Data.Status)
		if code := rec.Data.ReturnCode; code != nil {
			word += fmt.Sprint(" ", *code)
		}
		if q := rec.Data.Queue; q != nil && q.Tries > 0 {
			word += fmt.Sprintf(" (%d/%d)", q.Try, q.Tries)
		}
		words = append(words, word)
	}
	return strings.Join(append(words, b.left()...), ", ")
}

func (b *queued) is(id record.ID, want string) {
	b.t.Helper()
	if got := strings.ReplaceAll(b.state(id), string(id), "ID"); got != want {
		b.t.Errorf("%q, want %q", got, want)
	}
}

func TestTriedAgain(t *testing.T) {
	t.Parallel()
	b := newQueued(t)
	rec := b.add(`test -e begun || { touch begun; exit 4; }`, waiting.Terms{Tries: 3, Delay: time.Hour})
	b.supervise(rec.UID)
	b.is(rec.UID, "complete 4 (1/3), queue/ID")
	e, err := b.Waiting.Entry(rec.UID)
	if err != nil || e.Try != 2 || e.At.Before(time.Now().Add(59*time.Minute)) || e.Run == rec.Data.RunID {
		t.Errorf("%+v, %v", e, err)
	}
	b.supervise(rec.UID)
	b.is(rec.UID, "complete 4 (1/3), complete 0 (2/3)")
	if runs := b.runs(rec.UID); runs[1].Data.Run != 2 || runs[1].Data.RunID != e.Run {
		t.Errorf("%+v", runs[1].Data)
	}
}

func TestTimedOut(t *testing.T) {
	t.Parallel()
	b := newQueued(t)
	rec := b.add(`trap "exit 0" TERM; touch begun; while :; do sleep 0.01; done`, waiting.Terms{Tries: 2, Limit: 300 * time.Millisecond})
	b.supervise(rec.UID)
	b.is(rec.UID, "complete 124 (1/2), queue/ID")
	if q := b.runs(rec.UID)[0].Data.Queue; !q.TimedOut || q.Limit != 0.3 {
		t.Errorf("%+v", q)
	}
}

// TestNotStarted has a task wait again, held, whose directory or input is gone.
func TestNotStarted(t *testing.T) {
	t.Parallel()
	b := newQueued(t)
	rec := b.add("cat", waiting.Terms{})
	input := filepath.Join(t.TempDir(), "input")
	err := b.Waiting.Change(t.Context(), rec.UID, func(e *waiting.Entry, _ *record.Record) error { e.Stdin = []byte(input); return nil })
	if err != nil {
		t.Fatal(err)
	}
	tried := func() string {
		t.Helper()
		if err := b.supervisor(rec.UID).Run(); err == nil {
			t.Error("it has run")
		}
		b.is(rec.UID, "queue/ID")
		e, err := b.Waiting.Entry(rec.UID)
		if err != nil || !e.Held {
			t.Fatalf("%+v, %v", e, err)
		}
		return e.Why
	}
	if why := tried(); !strings.Contains(why, input) {
		t.Errorf("held because %q", why)
	}
	if err := os.Rename(rec.Data.PWD, rec.Data.PWD+"-gone"); err != nil {
		t.Fatal(err)
	}
	free := func() {
		if err := b.Waiting.Change(t.Context(), rec.UID, func(e *waiting.Entry, _ *record.Record) error { e.Held, e.Why = false, ""; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	free()
	if why := tried(); !strings.Contains(why, rec.Data.PWD) {
		t.Errorf("held because %q", why)
	}
	if why := tried(); why == "" { // it is held, so it does not start
		t.Error("the reason is lost")
	}
	free()
	if err := os.Rename(rec.Data.PWD+"-gone", rec.Data.PWD); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(input, []byte("of a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.supervise(rec.UID)
	b.is(rec.UID, "complete 0")
	if d := b.runs(rec.UID)[0].Data; strings.Join(d.Output, "") != "of a file\n" || d.Stdin.Path != input {
		t.Errorf("%q, %+v", d.Output, d.Stdin)
	}
}

func TestTakeOut(t *testing.T) {
	t.Parallel()
	b := newQueued(t)
	rec := b.add("true", waiting.Terms{Tries: 5, Held: true})
	if _, err := b.TakeOut(t.Context(), rec.UID); err != nil {
		t.Fatal(err)
	}
	b.is(rec.UID, "cancelled (1/5)")
	if d := b.runs(rec.UID)[0].Data; d.PID != 0 || d.Finished == nil {
		t.Errorf("%+v", d)
	}
	if _, err := b.TakeOut(t.Context(), rec.UID); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

// TestCancelledTry has a run of the queue that the user cancels not be tried again, also if its supervisor is
// killed meanwhile.
func TestCancelledTry(t *testing.T) {
	t.Parallel()
	b := newQueued(t)
	b.Settings.KillGrace = time.Second
	rec := b.add(`touch begun; exec sleep 100`, waiting.Terms{Tries: 5})
	cmd := b.begun(rec)
	if err := b.cancelRun(t.Context(), rec.UID); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	b.is(rec.UID, "cancelled 143 (1/5)")

	rec = b.add(`touch begun; trap "" TERM; sleep 100`, waiting.Terms{Tries: 5})
	cmd = b.begun(rec)
	if err := errors.Join(cmd.Process.Kill(), b.reap(cmd)); err != nil {
		t.Error(err)
	}
	tries, err := b.Tries()
	if err != nil || len(tries) != 1 || tries[0].Supervised || tries[0].Record.Data.Status != record.Running {
		t.Fatalf("%+v, %v", tries, err)
	}
	if err := b.Recover(t.Context()); err != nil {
		t.Error(err)
	}
	b.is(rec.UID, "running/ID")
	if err := b.cancelRun(t.Context(), rec.UID); err != nil {
		t.Error(err)
	}
	b.is(rec.UID, "cancelled (1/5)")
}

// reap waits for a process that was killed.
func (b *queued) reap(cmd *exec.Cmd) error {
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		return fmt.Errorf("it was not killed: %w", err)
	}
	return nil
}

// TestUnsupervised leaves a run alone as long as processes of it are alive, also one that has left the
// session, and tries it again after that.
func TestUnsupervised(t *testing.T) {
	t.Parallel()
	b := newQueued(t)
	rec := b.add(`(setsid sh -c 'while ! test -e end; do sleep 0.01; done; touch ended' >/dev/null 2>&1 &) ; touch begun; while ! test -e end1; do sleep 0.01; done`, waiting.Terms{Tries: 2})
	cmd := b.begun(rec)
	if err := errors.Join(cmd.Process.Kill(), b.reap(cmd)); err != nil {
		t.Error(err)
	}
	other := b.supervisor(rec.UID)
	if err := other.Run(); err == nil {
		t.Error("a second process runs it")
	}
	look := func(want string) {
		t.Helper()
		if err := b.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		b.is(rec.UID, want)
	}
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(rec.Data.PWD, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look("running/ID")
	write("end1")
	look("running/ID")
	write("end")
	await.That(t, "over", func() bool {
		tries, err := b.Tries()
		return err == nil && (len(tries) == 0 || tries[0].Record.Data.Status != record.Running)
	})
	look("cancelled (1/2), queue/ID")
	b.supervise(rec.UID)
	b.is(rec.UID, "cancelled (1/2), complete 0 (2/2)")
}
