package given

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/record"
)

func place(t *testing.T) *File {
	t.Helper()
	return New(afero.NewOsFs(), filepath.Join(t.TempDir(), Name))
}

func task(t *testing.T, cmd ...string) *record.Record {
	t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	return &record.Record{Executor: "shell", UID: id, Data: record.Data{Cmd: cmd, PWD: "/w", Timestamp: record.Now()}}
}

func add(t *testing.T, f *File, rec *record.Record, within string) {
	t.Helper()
	if err := f.Add(Of(rec, within)); err != nil {
		t.Fatal(err)
	}
}

func ids(t *testing.T, f *File, within string) []record.ID {
	t.Helper()
	var all []record.ID
	for l, err := range f.Lines(within) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.ID)
	}
	return all
}

func want(t *testing.T, got []record.ID, recs ...*record.Record) {
	t.Helper()
	var ids []record.ID
	for _, r := range recs {
		ids = append(ids, r.UID)
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("the lines are of %v, want %v", got, ids)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	f := place(t)
	want(t, ids(t, f, ""))
	a, b, c, d := task(t, "a"), task(t, "b"), task(t, "c"), task(t, "d")
	add(t, f, a, "")
	add(t, f, b, string(a.UID))
	add(t, f, c, "")
	add(t, f, d, "no id\n- at all")
	want(t, ids(t, f, ""), c, a)
	want(t, ids(t, f, string(a.UID)), b)
	want(t, ids(t, f, "another that is no id"), d)
	want(t, ids(t, f, string(d.UID)))
	for l := range f.Lines("") {
		if !l.At.Equal(c.Data.Timestamp.Time) || l.User != os.Getuid() || l.Digest != Digest(c) {
			t.Errorf("the last line is %+v", l)
		}
		break
	}
	info, err := os.Stat(f.Path())
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v (%v), want one of mode 0600", info, err)
	}
}

// TestHas asks about records that say the same of themselves and would run something else.
func TestHas(t *testing.T) {
	t.Parallel()
	f := place(t)
	own := task(t, "sh", "-c", "echo a b")
	for _, change := range []struct {
		name string
		do   func(*record.Record)
		has  bool
	}{
		{"the same", func(*record.Record) {}, true},
		{"what it says of itself", func(r *record.Record) { r.Command, r.Data.User, r.Data.Message = "rm -rf", "root", "x" }, true},
		{"another command", func(r *record.Record) { r.Data.Cmd = []string{"sh", "-c", "echo a  b"} }, false},
		{"other words", func(r *record.Record) { r.Data.Cmd = []string{"sh", "-c", "echo", "a b"} }, false},
		{"one word less", func(r *record.Record) { r.Data.Cmd = r.Data.Cmd[:2] }, false},
		{"another folder", func(r *record.Record) { r.Data.PWD = "/" }, false},
		{"folder and command shifted", func(r *record.Record) { r.Data.PWD, r.Data.Cmd = "/w\",\"sh", r.Data.Cmd[1:] }, false},
		{"another executor", func(r *record.Record) { r.Executor = "slurm" }, false},
		{"another id", func(r *record.Record) { r.UID = task(t).UID }, false},
	} {
		rec := *own
		change.do(&rec)
		if has, err := f.Has(&rec); has || err != nil {
			t.Errorf("%s: known without a file (%v)", change.name, err)
		}
	}
	add(t, f, task(t, "other"), "")
	add(t, f, own, "")
	add(t, f, task(t, "other"), "")
	for _, change := range []func(*record.Record) bool{
		func(*record.Record) bool { return true },
		func(r *record.Record) bool { r.Command, r.Data.User = "rm -rf", "root"; return true },
		func(r *record.Record) bool { r.Data.Cmd = []string{"sh", "-c", "echo a  b"}; return false },
		func(r *record.Record) bool { r.Data.Cmd = []string{"sh", "-c", "echo", "a b"}; return false },
		func(r *record.Record) bool { r.Data.Cmd = r.Data.Cmd[:2]; return false },
		func(r *record.Record) bool { r.Data.PWD = "/"; return false },
		func(r *record.Record) bool { r.Executor = "slurm"; return false },
		func(r *record.Record) bool { r.UID = task(t).UID; return false },
	} {
		rec := *own
		want := change(&rec)
		if has, err := f.Has(&rec); has != want || err != nil {
			t.Errorf("%+v: %v (%v), want %v", rec, has, err, want)
		}
	}
}

// TestCutOff cuts a file at each of its bytes, as a kill or a full disk does: the lines
// before it stay, and the next one begins.
func TestCutOff(t *testing.T) {
	t.Parallel()
	f := place(t)
	a, b, c := task(t, "a"), task(t, "b"), task(t, "c")
	add(t, f, a, "")
	first, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	add(t, f, b, "")
	both, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	for n := len(first); n < len(both); n++ {
		if err := os.WriteFile(f.Path(), both[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, ids(t, f, ""), a)
		add(t, f, c, "")
		want(t, ids(t, f, ""), c, a)
		if has, err := f.Has(b); has || err != nil {
			t.Fatalf("cut at %d: a line that is not whole counts (%v)", n, err)
		}
	}
}

// TestGarbage puts between two lines what may be in a file after a crash.
func TestGarbage(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{
		"zeros":     strings.Repeat("\x00", 3*piece),
		"long line": strings.Repeat("x", 5*piece),
		"newlines":  strings.Repeat("\n", piece+1),
		"spaces":    strings.Repeat(" - ", piece),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := place(t)
			a, b := task(t, "a"), task(t, "b")
			add(t, f, a, "")
			was, err := os.ReadFile(f.Path())
			if err == nil {
				err = os.WriteFile(f.Path(), []byte(string(was)+"\n"+garbage), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			add(t, f, b, "")
			want(t, ids(t, f, ""), b, a)
		})
	}
}

// TestPieces has lines across the borders of what is read at once, and writers at the
// same time.
func TestPieces(t *testing.T) {
	t.Parallel()
	f := place(t)
	const writers, each = 8, 300
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				rec := task(t, "x")
				add(t, f, rec, "")
			}
		})
	}
	all.Wait()
	if got := len(ids(t, f, "")); got != writers*each {
		t.Errorf("%d lines, want %d", got, writers*each)
	}
}

func TestOddFiles(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"socket": func(path string) error { return os.Symlink("/proc/self/fd/0/x", path) },
	} {
		f := place(t)
		if err := make(f.Path()); err != nil {
			t.Fatal(err)
		}
		if err := f.Add(Of(task(t, "x"), "")); err == nil {
			t.Errorf("%s: a line was written", name)
		}
		if name == "socket" {
			continue
		}
		for _, err := range f.Lines("") {
			if err == nil {
				t.Errorf("%s: it has a line", name)
			}
		}
	}
}

// BenchmarkLast asks for the last line, and for one that is not there, in a file of
// 100,000 lines.
func BenchmarkLast(b *testing.B) {
	f := New(afero.NewOsFs(), filepath.Join(b.TempDir(), Name))
	var text strings.Builder
	for range 100_000 {
		id, err := record.NewID("shell")
		if err != nil {
			b.Fatal(err)
		}
		rec := &record.Record{Executor: "shell", UID: id, Data: record.Data{Timestamp: record.Time{Time: time.Now()}}}
		text.WriteString("\n" + Of(rec, "").String())
	}
	if err := os.WriteFile(f.path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	id, err := record.NewID("shell")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("newest", func(b *testing.B) {
		for b.Loop() {
			for range f.Lines("") {
				break
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		for b.Loop() {
			if has, err := f.Has(&record.Record{Executor: "shell", UID: id}); has || err != nil {
				b.Fatal(has, err)
			}
		}
	})
}

func TestCode(t *testing.T) {
	t.Parallel()
	f := place(t)
	rec := task(t, "a")
	yes := true
	rec.Data.RunID, rec.Data.User, rec.Data.Host = record.NewRunID(), "u", "h"
	rec.Data.Git = &record.Git{Commit: strings.Repeat("a", 40), Dirty: &yes}
	rec.Data.Parts = record.Parts{record.PartPatch: record.NewPart([]byte("p"))}
	add(t, f, rec, "")
	has := func(want bool, what string) {
		t.Helper()
		if got, err := f.HasCode(rec); err != nil || got != want {
			t.Errorf("%s: the code is known: %t, %v", what, got, err)
		}
	}
	has(false, "the command alone")
	if err := f.AddCode(rec); err != nil {
		t.Fatal(err)
	}
	has(true, "as it was")
	want(t, ids(t, f, ""), rec)
	want(t, ids(t, f, codeMark))
	for what, d := range map[string]func(*record.Data){
		"run":        func(d *record.Data) { d.RunID = record.NewRunID() },
		"user":       func(d *record.Data) { d.User = "v" },
		"host":       func(d *record.Data) { d.Host = "i" },
		"directory":  func(d *record.Data) { d.PWD = "/v" },
		"commit":     func(d *record.Data) { d.Git = &record.Git{Commit: strings.Repeat("b", 40), Dirty: &yes} },
		"clean":      func(d *record.Data) { d.Git = &record.Git{Commit: d.Git.Commit} },
		"difference": func(d *record.Data) { d.Parts = record.Parts{record.PartPatch: record.NewPart([]byte("q"))} },
		"other part": func(d *record.Data) { d.Parts = record.Parts{record.PartCodePatch: record.NewPart([]byte("p"))} },
		"script":     func(d *record.Data) { d.Code = &record.Git{Path: "/s"} },
	} {
		was := rec.Data
		d(&rec.Data)
		has(false, what)
		rec.Data = was
	}
}

// TestHasNear finds a line by its time, wherever it is, and one whose time is not in order by looking at all.
func TestHasNear(t *testing.T) {
	f := place(t)
	base := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var all []*record.Record
	for i := range 3000 {
		rec := task(t, "cmd", fmt.Sprint(i))
		rec.Data.Timestamp = record.Time{Time: base.Add(time.Duration(i) * time.Second)}
		add(t, f, rec, "")
		all = append(all, rec)
	}
	for _, i := range []int{0, 1, 2, 100, 1499, 1500, 2998, 2999} {
		if found, err := f.hasNear(Of(all[i], "")); !found || err != nil {
			t.Errorf("line %d is not found by its time: %v", i, err)
		}
	}
	other := task(t, "cmd", "0")
	other.Data.Timestamp = all[1500].Data.Timestamp
	if found, err := f.Has(other); found || err != nil {
		t.Errorf("a task that was not given: %v, %v", found, err)
	}
	known := f.Known()
	for i := range 2 * scans {
		for _, rec := range []*record.Record{task(t, "cmd", "other"), all[i], all[2999-i]} {
			found, err := known.Has(rec)
			if want := rec.Data.Cmd[1] != "other"; found != want || err != nil {
				t.Errorf("%v: %v, %v", rec.Data.Cmd, found, err)
			}
		}
	}
	late := *all[2999]
	late.Data.Timestamp = record.Time{Time: base}
	if found, err := f.hasNear(Of(&late, "")); found || err != nil {
		t.Errorf("a line of another time: %v, %v", found, err)
	}
	if found, err := f.Has(&late); !found || err != nil {
		t.Errorf("a line of another time: %v, %v", found, err)
	}
}
