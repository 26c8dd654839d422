package gitstore_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/record"
)

// A run is committed while check is reading objects.
func TestCheckDuringCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	history(t, dir, 2)
	s := patient(t, dir)
	// progress "commits" is called too late and too seldom: commit when the packs are verified
	done := false
	_, err := s.Check(context.Background(), func(err error) { t.Errorf("a sound history: %v", err) }, func(what string, _, _ int) {
		if what == "objects" && !done {
			done = true
			for i := range 2 {
				commit(t, s, run(task(idAt("shell", epoch.Add(5*time.Hour), 70+i), "x"), nil))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// commitOnHead commits each time the branch is opened for reading.
type readHook struct {
	afero.Fs
	fn func(name string)
}

func (h readHook) Open(name string) (afero.File, error) { h.fn(name); return h.Fs.Open(name) }
func (h readHook) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	h.fn(name)
	return h.Fs.OpenFile(name, flag, perm)
}

func TestCheckCommitBeforeHead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	history(t, dir, 2)
	other := patient(t, dir)
	done := false
	s, err := gitstore.Open(readHook{afero.NewOsFs(), func(name string) {
		if strings.HasSuffix(name, "heads/main") && !done {
			done = true
			commit(t, other, run(task(idAt("shell", epoch.Add(5*time.Hour), 70), "x"), nil))
		}
	}}, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(context.Background(), func(err error) { t.Errorf("a sound history: %v", err) }, nil); err != nil {
		t.Fatal(err)
	}
}

// The background's gc ends while check reads.
func TestCheckDuringGC(t *testing.T) {
	for _, ext := range []string{".pack", ".idx"} {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		history(t, dir, 3)
		other := patient(t, dir)
		n := 0
		s, err := gitstore.Open(readHook{afero.NewOsFs(), func(name string) {
			if filepath.Ext(name) == ext {
				if n++; n == 2 {
					collect(t, other, true)
				}
			}
		}}, dir, options())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Check(context.Background(), func(err error) { t.Errorf("%s: a sound history: %v", ext, err) }, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Two processes clear the same task in the same second where there is no flock
// (storetest.FS has none). Their commits and packs are the same; the loser
// discards the winner's.
func TestDiscard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 2)
	fa, fb := storetest.New(afero.NewOsFs()), storetest.New(afero.NewOsFs())
	a, err := gitstore.Open(fa, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	b, err := gitstore.Open(fb, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	fa.Before(func(op, path string) {
		if op == "create" && filepath.Base(path) == "main.lock" {
			once.Do(func() { commit(t, b, clearing(have[0].UID)) })
		}
	})
	_, err = a.Commit(context.Background(), clearing(have[0].UID))
	t.Logf("the loser: %v", err)
	if _, err := patient(t, dir).Latest(); err != nil {
		t.Errorf("the history is lost: %v", err)
	}
	fsck(t, dir)
}

// localFlock is a file system shared by machines, each of which has flock(2) of its
// own only (NFS with local_lock, Lustre with -o localflock): qme.lock has the
// same content everywhere, and its lock is free.
type localFlock struct{ afero.Fs }

func (l localFlock) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if filepath.Base(name) == "qme.lock" {
		b, _ := os.ReadFile(name)
		own := name + ".hostB"
		commit, _, _ := strings.Cut(string(b), " ")
		b = []byte(commit + " another-machine\n")
		os.WriteFile(own, b, 0o644)
		return l.Fs.OpenFile(own, flag, perm)
	}
	return l.Fs.OpenFile(name, flag, perm)
}

// hookRename lets fn run before a rename of the branch, with real files below.
type hookRename struct {
	afero.Fs
	fn func()
}

func (h hookRename) Rename(from, to string) error {
	if filepath.Base(to) == "main" {
		h.fn()
	}
	return h.Fs.Rename(from, to)
}

func TestLocalFlock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 1)
	recA, recB := task(idAt("shell", epoch.Add(time.Hour), 50), "a"), task(idAt("shell", epoch.Add(time.Hour), 51), "b")
	atRename, goOn, doneB := make(chan bool), make(chan bool), make(chan bool)
	b, err := gitstore.Open(hookRename{localFlock{afero.NewOsFs()}, func() { atRename <- true; <-goOn }}, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	var errB error
	a, err := gitstore.Open(hookRename{afero.NewOsFs(), func() {
		go func() { _, errB = b.Commit(context.Background(), run(recB, nil)); close(doneB) }()
		select {
		case <-atRename:
		case <-doneB:
		}
	}}, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	_, errA := a.Commit(context.Background(), run(recA, nil))
	close(goOn)
	<-doneB
	t.Logf("A: %v\nB: %v", errA, errB)
	s := patient(t, dir)
	for _, c := range []struct {
		r   *record.Record
		err error
	}{{recA, errA}, {recB, errB}} {
		if _, err := s.Get("", c.r.UID); err != nil && c.err == nil {
			t.Errorf("Commit succeeded and the record is not there: %v", err)
		}
	}
	_ = have
}

// git, whose lock was broken, renames ours: the branch is then where we wanted it, and
// errMoved discards its pack.
func TestOwnCommitMoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 1)
	lock := filepath.Join(dir, "refs", "heads", "main.lock")
	fsys := storetest.New(afero.NewOsFs())
	fsys.Before(func(op, path string) {
		if op == "close" && path == lock {
			os.Rename(lock, strings.TrimSuffix(lock, ".lock"))
		}
	})
	s, _ := gitstore.Open(fsys, dir, options())
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	rec := task(idAt("shell", epoch.Add(time.Hour), 50), "a")
	fsys2 := fsys
	_ = fsys2
	n := 0
	c := run(rec, nil)
	build := c.Build
	c.Build = func(cur *record.Record, v string) (*record.Record, error) {
		if n++; n > 3 {
			return nil, fmt.Errorf("enough")
		}
		return build(cur, v)
	}
	_, err := s.Commit(ctx, c)
	t.Logf("Commit: %v", err)
	if _, err := patient(t, dir).Latest(); err != nil {
		t.Errorf("the history is lost: %v", err)
	}
	_ = have
}

// Records stopped early, then Close, as "qme ls -n 1" does.
func TestRecordsClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) { o.NoSync = true })
	var cs []gitstore.Change
	for j := range 300 {
		cs = append(cs, run(task(idAt("shell", epoch.Add(time.Duration(j)*time.Minute), j), string(noise(uint64(j), 3000))), nil))
	}
	commit(t, s, cs...)
	base := runtime.NumGoroutine()
	for range 300 {
		s, err := gitstore.Open(afero.NewOsFs(), dir, options())
		if err != nil {
			t.Fatal(err)
		}
		for range recordsOf(s, record.Range{}) {
			break
		}
		s.Close()
	}
	_ = base
}

var _ = io.EOF
