package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/spool"
)

// childVariable makes the test program a process that holds an entry.
const childVariable = "QME_TEST_SPOOL_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child records a run that goes on until somebody cancels or kills it. It prints
// the id once there is something to see.
func child(dir string) error {
	id, err := record.NewID("shell")
	if err != nil {
		return err
	}
	rec := &record.Record{Executor: "shell", UID: id, Data: record.Data{Timestamp: record.Now(), Status: record.Running, Run: 1}}
	e, err := spool.New(afero.NewOsFs(), dir).Begin(rec)
	if err != nil {
		return err
	}
	cancelled := make(chan struct{})
	stop := e.Listen(func(w spool.Word) {
		if fmt.Println(w); w == spool.WordCancel {
			close(cancelled)
		}
	})
	defer stop()
	for name, text := range map[record.StreamName]string{record.Stdout: strings.Repeat("out\n", 1000), record.Stderr: "error\n"} {
		if _, err := io.WriteString(e.Recorder(name, 1000), text); err != nil {
			return err
		}
	}
	fmt.Println(id)
	<-cancelled
	return e.Remove()
}

// A process is a child at work.
type process struct {
	cmd *exec.Cmd
	out *bufio.Reader
	id  record.ID
}

func startChild(t *testing.T, dir string) *process {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(stop)
	p := &process{cmd: exec.CommandContext(ctx, os.Args[0])}
	p.cmd.Env, p.cmd.Stderr = append(os.Environ(), childVariable+"="+dir), os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	p.id = record.ID(p.line(t))
	return p
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// TestKilled kills a process that records a run, and takes over what it left.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	p := startChild(t, s.Dir())
	// While it lives, others look on and leave it alone.
	if is, err := s.Running(p.id); !is || err != nil {
		t.Errorf("Running returns %v, %v", is, err)
	}
	if taken := take(t, s); len(taken) > 0 {
		t.Errorf("the entry of a process that lives was taken: %v", taken[0].ID())
	}
	list, err := s.List(inline)
	if err != nil || len(list) != 1 || list[0].ID != p.id || list[0].Err != nil {
		t.Fatalf("List returns %v, %v", list, err)
	}
	now := list[0].Record
	if now.Data.Status != record.Running || now.Data.Error[0] != "error\n" || now.Data.Output[0] != "out\n" || now.Data.Stdout.Size != 4000 || now.Data.Stdout.SHA256 != "" {
		t.Errorf("the record of the uncommitted run is %+v, %+v", now.Data, now.Data.Stdout)
	}
	if _, err := s.Begin(now); !errors.Is(err, record.ErrConflict) {
		t.Errorf("Begin of a task that is running: %v, want record.ErrConflict", err)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed
	if is, err := s.Running(p.id); is || err != nil {
		t.Errorf("Running of a run whose process is dead returns %v, %v", is, err)
	}
	if err := s.Cancel(p.id); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("Cancel of a run whose process is dead: %v, want record.ErrNotFound", err)
	}
	takeOver(t, s, p.id)
}

// takeOver has the entry of a dead process taken, twice, and removed.
func takeOver(t *testing.T, s *spool.Spool, id record.ID) {
	t.Helper()
	taken := take(t, s)
	if len(taken) != 1 || taken[0].ID() != id {
		t.Fatalf("Take returns %d entries", len(taken))
	}
	if again := take(t, s); len(again) > 0 {
		t.Error("the same entry was taken twice")
	}
	if err := taken[0].Close(); err != nil {
		t.Fatal(err)
	}
	taken = take(t, s)
	if len(taken) != 1 {
		t.Fatalf("an entry that was closed is taken %d times", len(taken))
	}
	rec, err := taken[0].Salvage(inline)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Data.Status != record.Cancelled || rec.Data.ReturnCode != nil || rec.Data.Error[0] != "error\n" || *rec.Data.Stdout.Cut != (record.Cut{Offset: 500, Bytes: 3000}) {
		t.Errorf("salvaged: %+v, %+v", rec.Data, rec.Data.Stdout)
	}
	blobs, err := taken[0].Streams(rec)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(content(t, blobs[record.Stdout])); got != strings.Repeat("out\n", 250) {
		t.Errorf("of the output %d bytes are there", len(got))
	}
	if err := taken[0].Remove(); err != nil {
		t.Errorf("Remove: %v", err)
	}
	empty(t, s)
}

// empty checks that nothing is left in the spool.
func empty(t *testing.T, s *spool.Spool) {
	t.Helper()
	left, err := os.ReadDir(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("in the spool is left %s", e.Name())
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	p := startChild(t, s.Dir())
	if err := s.Cancel(p.id); err != nil {
		t.Fatalf("Cancel: %v", err)
	}
	if got := p.line(t); got != "cancel" {
		t.Errorf("the child says %q", got)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the child ends with %v", err)
	}
	empty(t, s)
	if err := s.Cancel(p.id); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("Cancel of a run that has ended: %v, want record.ErrNotFound", err)
	}
}

func TestCancelUnheard(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	e := begin(t, s, running(t))
	if err := s.Cancel(e.ID()); !errors.Is(err, record.ErrConflict) {
		t.Errorf("Cancel of a run that does not listen: %v, want record.ErrConflict", err)
	}
	stop := e.Listen(func(w spool.Word) { t.Errorf("it heard %s after it had stopped to listen", w) })
	stop()
	if err := s.Cancel(e.ID()); !errors.Is(err, record.ErrConflict) {
		t.Errorf("Cancel of a run that has stopped to listen: %v, want record.ErrConflict", err)
	}
	// Where there are no FIFOs Listen does nothing.
	mem := spool.New(afero.NewMemMapFs(), "/running")
	begin(t, mem, running(t)).Listen(nil)()
}

// Words arrive in their order, and what is none is ignored, whatever its length.
func TestTell(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	p := startChild(t, s.Dir())
	control := filepath.Join(s.Dir(), string(p.id), "control")
	noise := func(text string) {
		t.Helper()
		f, err := os.OpenFile(control, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.WriteString(text); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	words := []spool.Word{spool.WordStop, spool.WordContinue, spool.WordStop, spool.WordContinue, spool.WordCancel}
	for _, w := range words {
		noise("cancel it\n\nSTOP\n" + strings.Repeat("cancel", 1000) + "\n")
		if err := s.Tell(p.id, w); err != nil {
			t.Fatalf("Tell %s: %v", w, err)
		}
	}
	for _, w := range words {
		if got := p.line(t); got != string(w) {
			t.Errorf("the child has heard %q, want %q", got, w)
		}
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the child ends with %v", err)
	}
	if err := s.Tell(p.id, spool.WordStop); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("Tell of a run that has ended: %v, want record.ErrNotFound", err)
	}
	e := begin(t, s, running(t))
	if err := s.Tell(e.ID(), spool.WordContinue); !errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), "continue") {
		t.Errorf("Tell of a run that does not listen: %v, want record.ErrConflict", err)
	}
}

func TestBegin(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*spool.Spool{"disk": onDisk(t), "memory": spool.New(afero.NewMemMapFs(), "/home/running")} {
		rec := running(t)
		e := begin(t, s, rec)
		if _, err := s.Begin(rec); !errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), string(rec.UID)) {
			t.Errorf("%s: Begin of a task that is running: %v, want record.ErrConflict", name, err)
		}
		if got, err := s.Get(rec.UID, inline); err != nil || got.UID != rec.UID {
			t.Errorf("%s: Get returns %v, %v", name, got, err)
		}
		other := begin(t, s, running(t))
		if list, err := s.List(inline); err != nil || len(list) != 2 {
			t.Errorf("%s: List returns %d runs, %v", name, len(list), err)
		}
		for _, e := range []*spool.Entry{e, other} {
			if err := e.Remove(); err != nil {
				t.Errorf("%s: Remove: %v", name, err)
			}
		}
		if _, err := s.Get(rec.UID, inline); !errors.Is(err, record.ErrNotFound) {
			t.Errorf("%s: Get of a run that has ended: %v, want record.ErrNotFound", name, err)
		}
		if list, err := s.List(inline); err != nil || len(list) != 0 {
			t.Errorf("%s: List returns %d runs, %v", name, len(list), err)
		}
		if err := begin(t, s, rec).Remove(); err != nil {
			t.Errorf("%s: Remove: %v", name, err)
		}
	}
	nobody := onDisk(t)
	if list, err := nobody.List(inline); err != nil || list != nil {
		t.Errorf("List of a spool that is not there returns %v, %v", list, err)
	}
	if taken := take(t, nobody); len(taken) > 0 {
		t.Errorf("Take of a spool that is not there returns %d entries", len(taken))
	}
}

// TestSalvageOfFinished takes over a run that had ended before its process died.
func TestSalvageOfFinished(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	rec := running(t)
	e := begin(t, s, rec)
	r := e.Recorder(record.Stdout, 10)
	b := noise(1, 100)
	if _, err := r.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(rec, inline); err != nil {
		t.Fatal(err)
	}
	code := 3
	rec.Data.Status, rec.Data.ReturnCode = record.Complete, &code
	if err := e.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := e.Sync(); err != nil {
		t.Errorf("Sync: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	taken := take(t, s)
	if len(taken) != 1 {
		t.Fatalf("Take returns %d entries", len(taken))
	}
	got, err := taken[0].Salvage(inline)
	if err != nil {
		t.Fatal(err)
	}
	want, cut := kept(b, 10)
	if got.Data.Status != record.Complete || *got.Data.ReturnCode != 3 {
		t.Errorf("salvaged: %+v", got.Data)
	}
	checkStream(t, "salvaged", taken[0], got, b, want, cut, false)
	if err := taken[0].Remove(); err != nil {
		t.Error(err)
	}
	empty(t, s)
}

// TestForeignFolders has things lie in the spool that are no entries.
func TestForeignFolders(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	good := begin(t, s, running(t))
	broken, other, rest := running(t).UID, running(t).UID, running(t).UID
	for path, text := range map[string]string{
		"notes.txt": "x", "some folder/record.json": "{}", string(broken) + "/record.json": "{", string(broken) + "/lock": "",
		string(other) + "/record.json": string(mustEncode(t, running(t))), string(other) + "/lock": "", string(rest) + "/stdout": "x",
	} {
		path = filepath.Join(s.Dir(), path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.List(inline)
	if err != nil || len(list) != 3 {
		t.Fatalf("List returns %d results, %v", len(list), err)
	}
	for _, res := range list {
		if bad := res.ID != good.ID(); bad != errors.Is(res.Err, record.ErrInvalid) {
			t.Errorf("List: %s: %v", res.ID, res.Err)
		}
	}
	taken := take(t, s)
	if len(taken) != 2 {
		t.Errorf("Take returns %d entries", len(taken))
	}
	for _, e := range taken {
		if rec, err := e.Salvage(inline); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("Salvage of %s returns %v, %v; want record.ErrInvalid", e.ID(), rec, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, there := range map[string]bool{"notes.txt": true, "some folder": true, string(broken): true, string(other): true, string(good.ID()): true, string(rest): false} {
		if _, err := os.Stat(filepath.Join(s.Dir(), name)); (err == nil) != there {
			t.Errorf("%s: there %v, want %v", name, err == nil, there)
		}
	}
}

func mustEncode(t *testing.T, rec *record.Record) []byte {
	t.Helper()
	b, err := record.Encode(rec)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
