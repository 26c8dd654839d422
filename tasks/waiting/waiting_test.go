package waiting_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/enqueue"
)

// env is the environment of the tasks of these tests.
var env = []string{"A=1", "B=two words\nand lines", "EMPTY="}

// task returns a task that is to wait, whose command has a word that is no text.
func task(t testing.TB) (*record.Record, *waiting.Entry) {
	t.Helper()
	rec, e := enqueue.Task(t, "echo", waiting.Terms{})
	e.Cmd, rec.Data.Cmd = [][]byte{[]byte("echo"), {0xff}}, []string{"echo", "\uFFFD"}
	return rec, e
}

// add adds a task.
func add(t testing.TB, f *waiting.Folder) (*record.Record, *waiting.Entry) {
	t.Helper()
	rec, e := task(t)
	if err := f.Add(rec, e, env); err != nil {
		t.Fatal(err)
	}
	return rec, e
}

// A place is a file system for these tests with a folder in it, which has a folder for one run.
type place struct {
	fsys afero.Fs
	dir  string
}

func (p place) queue() *waiting.Folder { return waiting.New(p.fsys, filepath.Join(p.dir, "queue")) }

// run returns the folder of the run.
func (p place) run() string { return filepath.Join(p.dir, "running", "one") }

// everywhere runs a test on all file systems.
func everywhere(t *testing.T, test func(t *testing.T, p place)) {
	t.Parallel()
	for name, p := range map[string]place{"memory": {afero.NewMemMapFs(), "/home"}, "disk": {afero.NewOsFs(), t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := p.fsys.MkdirAll(p.run(), 0o700); err != nil {
				t.Fatal(err)
			}
			test(t, p)
		})
	}
}

func TestWaits(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		f := p.queue()
		if f.Any() {
			t.Error("there are tasks before one was added")
		}
		if ids, err := f.IDs(); err != nil || len(ids) > 0 {
			t.Errorf("IDs: %q, %v", ids, err)
		}
		rec, e := add(t, f)
		if err := f.Add(rec, e, env); !errors.Is(err, record.ErrConflict) {
			t.Errorf("added again: %v", err)
		}
		waits(t, f, rec, e)
		claimed := filepath.Join(p.run(), "queued")
		if err := f.Claim(rec.UID, claimed); err != nil {
			t.Fatal(err)
		}
		gone(t, p, rec.UID)
		got, err := f.EntryIn(claimed, rec.UID)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v, %v; want %+v", got, err, e)
		}
		back := func(to string) error { return p.fsys.Rename(claimed, to) }
		if err := f.Return(rec.UID, claimed, back, (*waiting.Entry).Next); err != nil {
			t.Fatal(err)
		}
		e, err = f.Entry(rec.UID)
		if err != nil || e.Try != 2 || e.Run == rec.Data.RunID {
			t.Errorf("%+v, %v", e, err)
		}
		rec.Data.RunID, rec.Data.Queue = e.Run, e.Described()
		waits(t, f, rec, e)
		if err := errors.Join(f.Claim(rec.UID, claimed), f.Drop(rec.UID, claimed), f.Drop(rec.UID, claimed)); err != nil {
			t.Error(err)
		}
		gone(t, p, rec.UID)
		if left, err := afero.ReadDir(p.fsys, p.run()); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// waits checks what is stored of a task.
func waits(t *testing.T, f *waiting.Folder, rec *record.Record, e *waiting.Entry) {
	t.Helper()
	if ids, err := f.IDs(); err != nil || !slices.Equal(ids, []record.ID{rec.UID}) || !f.Has(rec.UID) {
		t.Errorf("IDs: %q, %v", ids, err)
	}
	if got, err := f.Entry(rec.UID); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("Entry: %+v, %v; want %+v", got, err, e)
	}
	got, err := f.Record(rec.UID)
	if err != nil || !got.IsQueued() || !reflect.DeepEqual(got.Data, rec.Data) {
		t.Errorf("Record: %+v, %v; want %+v", got, err, rec)
	}
	if got, err := f.Environment(rec.UID); err != nil || !slices.Equal(got, env) {
		t.Errorf("Environment: %q, %v", got, err)
	}
	if problems, err := f.Check(); err != nil || len(problems) > 0 {
		t.Errorf("Check: %v, %v", problems, err)
	}
}

// gone checks that a task does not wait.
func gone(t *testing.T, p place, id record.ID) {
	t.Helper()
	f := p.queue()
	_, eerr := f.Entry(id)
	_, rerr := f.Record(id)
	_, verr := f.Environment(id)
	cerr := f.Claim(id, filepath.Join(p.run(), "again"))
	herr := f.Change(context.Background(), id, func(*waiting.Entry, *record.Record) error { t.Error("it is changed"); return nil })
	for i, err := range []error{eerr, rerr, verr, cerr, herr} {
		if !errors.Is(err, record.ErrNotFound) {
			t.Errorf("%d: %v, want record.ErrNotFound", i, err)
		}
	}
	if f.Has(id) {
		t.Error("it waits")
	}
}

func TestChange(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		f := p.queue()
		rec, _ := add(t, f)
		refused := errors.New("refused")
		err := f.Change(t.Context(), rec.UID, func(e *waiting.Entry, _ *record.Record) error { e.Priority = 1; return refused })
		if e, eerr := f.Entry(rec.UID); !errors.Is(err, refused) || eerr != nil || e.Priority != 0 {
			t.Errorf("%v, %+v, %v", err, e, eerr)
		}
		const n = 20
		var all sync.WaitGroup
		for range n { // each sees what the one before has written
			change := func() {
				if err := f.Change(t.Context(), rec.UID, func(e *waiting.Entry, _ *record.Record) error { e.Priority++; return nil }); err != nil {
					t.Error(err)
				}
			}
			if _, memory := p.fsys.(*afero.MemMapFs); memory { // it has no locks
				change()
			} else {
				all.Go(change)
			}
		}
		all.Wait()
		if e, err := f.Entry(rec.UID); err != nil || e.Priority != n {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

// TestOneClaims has one of many claim each task, by the rename alone.
func TestOneClaims(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	f := waiting.New(afero.NewOsFs(), filepath.Join(home, "queue"))
	for range 20 {
		rec, _ := add(t, f)
		var all sync.WaitGroup
		won := make(chan int, 8)
		for n := range cap(won) {
			dir := filepath.Join(home, fmt.Sprint(n))
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				err := f.Claim(rec.UID, filepath.Join(dir, string(rec.UID)))
				if err == nil {
					won <- n
				} else if !errors.Is(err, record.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Errorf("%d have the task", len(won))
		}
	}
}

// TestEnvironments stores each environment once, as long as a task has it.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	f := waiting.New(afero.NewOsFs(), filepath.Join(home, "queue"))
	stored := func(want int) {
		t.Helper()
		names, err := os.ReadDir(filepath.Join(home, "queue", ".env"))
		if err != nil || len(names) != want {
			t.Errorf("%d environments, %v; want %d", len(names), err, want)
		}
		for _, n := range names {
			if info, err := n.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
		}
	}
	var ids []record.ID
	for i := range 4 {
		rec, e := task(t)
		if err := f.Add(rec, e, []string{fmt.Sprint("N=", i/2)}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.UID)
	}
	stored(2)
	for i, id := range ids {
		got, err := f.Environment(id)
		if err != nil || !slices.Equal(got, []string{fmt.Sprint("N=", i/2)}) {
			t.Errorf("%q, %v", got, err)
		}
		dir := filepath.Join(home, string(id))
		if err := errors.Join(f.Claim(id, dir), f.Drop(id, dir)); err != nil {
			t.Error(err)
		}
		stored(2 - (i+1)/2)
	}
}

// TestTidy removes what is old and belongs to nobody.
func TestTidy(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	f := waiting.New(afero.NewOsFs(), filepath.Join(home, "queue"))
	rec, e := add(t, f)
	long := time.Now().Add(-time.Hour)
	make := func(name string, at time.Time) string {
		path := filepath.Join(home, "queue", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	here := filepath.Join(home, "queue", ".env", e.Env)
	if err := os.Chtimes(here, long, long); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Dir(make(".new/1/entry.json", long)), filepath.Dir(make(".new/2/entry.json", long))
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	oldEnv, youngEnv := make(".env/"+strings.Repeat("a", 64), long), make(".env/"+strings.Repeat("b", 64), time.Now())
	if err := f.Tidy(); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]bool{old: false, young: true, oldEnv: false, youngEnv: true, here: true} {
		if _, err := os.Stat(path); err == nil != want {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	waits(t, f, rec, e)
}

// TestCheck names what is damaged.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"entry.json", "record.json", "env"} {
		for _, content := range []string{"", "{", strings.Repeat("\x00", 100), "gone"} {
			if name == "env" && content != "gone" {
				continue
			}
			dir := filepath.Join(t.TempDir(), "queue")
			f := waiting.New(afero.NewOsFs(), dir)
			rec, _ := add(t, f)
			path := filepath.Join(dir, string(rec.UID), name)
			err := os.Remove(path)
			if content != "gone" {
				err = errors.Join(err, os.WriteFile(path, []byte(content), 0o600))
			}
			problems, cerr := f.Check()
			if errors.Join(err, cerr) != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), string(rec.UID)) || !errors.Is(problems[0], record.ErrInvalid) {
				t.Errorf("%s %q: %v, %v", name, content, problems, errors.Join(err, cerr))
			}
		}
	}
	dir := filepath.Join(t.TempDir(), "queue")
	f := waiting.New(afero.NewOsFs(), dir)
	add(t, f)
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if problems, err := f.Check(); err != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), "other") {
		t.Errorf("%v, %v", problems, err)
	}
}

// FuzzEntry reads entries that say anything: an error, or an entry whose record is valid.
func FuzzEntry(f *testing.F) {
	id := record.ID("shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a")
	for _, text := range []string{
		``, `null`, `{}`, `[]`, `{"cmd":["dHJ1ZQ=="],"dir":"L3RtcA==","executor":"shell","try":1,"run":"019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a","added":"2026-11-28T07:43:58.341285Z"}`,
		`{"cmd":["dHJ1ZQ=="],"dir":"L3RtcA==","executor":"shell","try":3,"tries":4,"run":"019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a","added":"2026-11-28T07:43:58.341285Z","limit":-1,"cpus":1e99,"after":[{"task":"x","on":"end"}]}`,
		`{"cmd":[null],"try":-9223372036854775808,"snapshot":"\ud800"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys := afero.NewMemMapFs()
		if err := errors.Join(fsys.MkdirAll("/queue/"+string(id), 0o700), afero.WriteFile(fsys, "/queue/"+string(id)+"/entry.json", b, 0o600)); err != nil {
			t.Fatal(err)
		}
		e, err := waiting.New(fsys, "/queue").Entry(id)
		if err != nil {
			if !errors.Is(err, record.ErrInvalid) {
				t.Errorf("%v is no record.ErrInvalid", err)
			}
			return
		}
		rec, _ := task(t)
		for range 2 {
			rec.Data.RunID, rec.Data.Queue = e.Run, e.Described()
			b, err := record.Encode(rec)
			if err == nil {
				_, err = record.Decode(b)
			}
			if err != nil {
				t.Errorf("%+v: %v", e, err)
			}
			if e.Try == record.MostTries {
				break
			}
			e.Next(rec)
		}
	})
}
