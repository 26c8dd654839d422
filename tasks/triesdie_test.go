package tasks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"qme/internal/regular"
	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/await"
	"qme/tests/require"
)

// dieVariable says at which operation on files a process is killed.
const dieVariable = "TEST_DIE_AT"

// A dyingFS kills this process at an operation.
type dyingFS struct {
	afero.Fs
	left atomic.Int64
}

// dying returns a file system whose operation at kills this process; "" is none.
func dying(at string) afero.Fs {
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return regular.NewFS()
	}
	f := &dyingFS{Fs: regular.NewFS()}
	f.left.Store(n)
	return f
}

// step is an operation.
func (f *dyingFS) step() {
	if f.left.Add(-1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// The operations of afero.Fs.
func (f *dyingFS) OpenFile(name string, flag int, mode os.FileMode) (afero.File, error) {
	if f.step(); flag&os.O_CREATE != 0 { // before and after it is there
		defer f.step()
	}
	return f.Fs.OpenFile(name, flag, mode)
}
func (f *dyingFS) Rename(from, to string) error {
	f.step()
	defer f.step()
	return f.Fs.Rename(from, to)
}
func (f *dyingFS) Link(from, to string) error { f.step(); return os.Link(from, to) }
func (f *dyingFS) Remove(name string) error   { f.step(); return f.Fs.Remove(name) }
func (f *dyingFS) RemoveAll(name string) error {
	f.step()
	return f.Fs.RemoveAll(name)
}
func (f *dyingFS) Mkdir(name string, mode os.FileMode) error { f.step(); return f.Fs.Mkdir(name, mode) }

// The command of a task that dies notes its run, and fails.
const noting = `echo $QME_RUN >>log; exit 1`

// settle has a task be run until it is done, as a worker would, and checks that each try is recorded
// once.
func (b *queued) settle(rec *record.Record, least, most int) {
	b.t.Helper()
	defer func() {
		if b.t.Failed() {
			b.t.Log(b.state(rec.UID))
		}
	}()
	await.That(b.t, "done", func() bool {
		if err := b.Recover(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		if b.Waiting.Has(rec.UID) {
			if e, err := b.Waiting.Entry(rec.UID); err != nil || e.Held {
				b.t.Fatalf("%+v, %v", e, err)
			}
			if err := b.supervisor(rec.UID).Run(); err != nil {
				b.t.Fatal(err)
			}
		}
		return !slices.ContainsFunc(b.left(), func(name string) bool { return strings.HasSuffix(name, string(rec.UID)) })
	})
	runs := b.runs(rec.UID)
	if len(runs) < least || len(runs) > most {
		b.t.Errorf("%d runs: %s", len(runs), b.state(rec.UID))
	}
	recorded := map[string]int{}
	for i, one := range runs {
		recorded[string(one.Data.RunID)]++
		if one.Data.Run != i+1 {
			b.t.Errorf("run %d is number %d", i+1, one.Data.Run)
		}
	}
	log, err := os.ReadFile(filepath.Join(rec.Data.PWD, "log"))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	begun := map[string]int{}
	for _, id := range strings.Fields(string(log)) {
		begun[id]++
	}
	for id, n := range begun {
		if n != 1 || recorded[id] != 1 {
			b.t.Errorf("run %s began %d times, and is recorded %d times", id, n, recorded[id])
		}
	}
}

// kills has a process be killed at each of its operations, in a home of its own, which prepare makes.
func kills(t *testing.T, what string, prepare func(*queued) *record.Record, after func(b *queued, rec *record.Record, killed bool)) {
	const enough = 1000
	n, killed := 0, true
	for killed {
		if n++; n == enough {
			t.Fatal("it is killed each time")
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := newQueued(t)
			rec := prepare(b)
			cmd := b.process(what, rec.UID)
			cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", dieVariable, n), "PATH="+os.Getenv("PATH"))
			err := cmd.Run()
			if killed = cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled(); !killed && err != nil {
				t.Fatal(err)
			}
			after(b, rec, killed)
		})
		if t.Failed() {
			return
		}
	}
	if n < 10 {
		t.Errorf("it was killed %d times", n-1)
	}
}

func TestSupervisorDies(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	kills(t, "supervise", func(b *queued) *record.Record { return b.add(noting, waiting.Terms{Tries: 2}) },
		func(b *queued, rec *record.Record, _ bool) { b.settle(rec, 2, 2) })
}

// TestRecoveryDies kills the process that records a run whose supervisor was killed.
func TestRecoveryDies(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	for _, tries := range []int{1, 2} {
		kills(t, "recover", func(b *queued) *record.Record {
			rec := b.add(`echo $QME_RUN >>log; touch begun; while ! test -e end; do sleep 0.01; done; exit 1`, waiting.Terms{Tries: tries})
			cmd := b.begun(rec)
			if err := cmd.Process.Kill(); err != nil {
				b.t.Fatal(err)
			}
			if err := b.reap(cmd); err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(rec.Data.PWD, "end"), nil, 0o600); err != nil {
				b.t.Fatal(err)
			}
			await.That(b.t, "over", func() bool {
				all, err := b.Tries()
				return err == nil && all[0].Record.Data.Status != record.Running
			})
			return rec
		}, func(b *queued, rec *record.Record, _ bool) { b.settle(rec, tries, tries) })
	}
}

// TestTakingOutDies kills the process that takes a task out of the queue: it waits, or is cancelled.
func TestTakingOutDies(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	kills(t, "take out", func(b *queued) *record.Record { return b.add(noting, waiting.Terms{Tries: 3}) },
		func(b *queued, rec *record.Record, killed bool) {
			if err := b.Recover(b.t.Context()); err != nil {
				b.t.Fatal(err)
			}
			waits := b.Waiting.Has(rec.UID)
			switch got := strings.ReplaceAll(b.state(rec.UID), string(rec.UID), "ID"); {
			case got == "queue/ID" && killed, got == "cancelled (1/3)":
			default:
				b.t.Errorf("%q", got)
			}
			tries := 1
			if waits {
				tries = 3
			}
			b.settle(rec, tries, tries)
		})
}

// TestAddingDies kills the process that adds a task: it waits, or nothing of it is there.
func TestAddingDies(t *testing.T) {
	t.Parallel()
	kills(t, "add", func(*queued) *record.Record { return &record.Record{UID: "shell-0"} },
		func(b *queued, _ *record.Record, killed bool) {
			ids, err := b.Waiting.IDs()
			if err != nil || len(ids) > 1 || len(ids) == 0 && !killed {
				b.t.Fatalf("%q, %v", ids, err)
			}
			for _, id := range ids {
				if err := b.supervisor(id).Run(); err != nil {
					b.t.Error(err)
				}
				b.is(id, "complete 0")
			}
		})
}
