package gitstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/record"
	"qme/tests/faults"
	"qme/tests/require"
)

// ageLocks makes the locks that a crash left look a little older: one without
// content is given time, because git may have made it this moment.
func ageLocks(t *testing.T, dir string) {
	t.Helper()
	for _, lock := range []string{"refs/heads/main.lock", "refs/qme/home.lock", "refs/remotes/origin/main.lock"} {
		lock = filepath.Join(dir, lock)
		if _, err := os.Stat(lock); err == nil {
			past := time.Now().Add(-5 * time.Second)
			if err := os.Chtimes(lock, past, past); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// patient opens a store that would rather fail than take a lock for stale by its
// age.
func patient(t *testing.T, dir string) *gitstore.Store {
	t.Helper()
	return openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) { o.StaleLock, o.LockTimeout = time.Hour, time.Second })
}

func options() gitstore.Options {
	return gitstore.Options{Identity: tester, LockTimeout: time.Second, StaleLock: time.Hour}
}

// afterwards is what must hold behind every fault: the history is whole, all of
// these tasks and no others are in it, and it can be written to.
func afterwards(t *testing.T, dir string, want []*record.Record) {
	t.Helper()
	ageLocks(t, dir)
	s := patient(t, dir)
	wantTasks(t, s, record.Range{}, want)
	fsck(t, dir)
	next := task(idAt("shell", epoch.Add(24*time.Hour), 99), "next")
	commit(t, s, run(next, nil))
	wantTasks(t, s, record.Range{}, append([]*record.Record{next}, want...))
	selfCheck(t, s)
	fsck(t, dir)
}

func TestFaultsOfOpen(t *testing.T) {
	t.Parallel()
	faults.Each(t, 5, func(t *testing.T, fault storetest.Fault) bool {
		dir := filepath.Join(t.TempDir(), "home", "tasks.git")
		fsys := storetest.New(afero.NewOsFs())
		fsys.Arm(fault)
		s, err := gitstore.Open(fsys, dir, options())
		if err == nil {
			_ = s.Close() // the process may be dead
		}
		if fsys.Failed() == "" {
			return false
		}
		if err == nil && !fault.Crash {
			t.Errorf("Open succeeded although %q failed", fsys.Failed())
		}
		if !fault.Crash {
			// The parent itself may be missing.
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".new-history-*")); len(left) > 0 {
				t.Errorf("%q failed: left behind: %v", fsys.Failed(), left)
			}
		}
		afterwards(t, dir, nil)
		return true
	})
}

// history makes a small history in the style of normal use: a pack for each run,
// some of them joined, and a few loose objects of git's.
func history(t *testing.T, dir string, runs int) []*record.Record {
	t.Helper()
	s := openStore(t, afero.NewOsFs(), dir, nil)
	var recs []*record.Record
	for i := range runs {
		rec := task(idAt("shell", epoch.Add(time.Duration(i)*time.Minute), i), fmt.Sprint("output ", i))
		var streams map[record.StreamName]gitstore.Blob
		if i == 0 {
			streams = stored(rec, record.Stdout, noise(1, 5000))
		}
		commit(t, s, run(rec, streams))
		recs = append([]*record.Record{rec}, recs...)
	}
	return recs
}

func TestFaultsOfCommit(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 3)
	faults.Each(t, 5, func(t *testing.T, fault storetest.Fault) bool {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		copyTree(t, made, dir)
		fsys := storetest.New(afero.NewOsFs())
		s, err := gitstore.Open(fsys, dir, options())
		if err != nil {
			t.Fatal(err)
		}
		// A new task, with a stream that takes several writes, and parts.
		rec := task(idAt("shell", epoch.Add(time.Hour), 50), "new")
		change := withParts(run(rec, stored(rec, record.Stdout, noise(2, 200_000))), rec, "of this one")
		fsys.Arm(fault)
		_, err = s.Commit(context.Background(), change)
		_ = s.Close() // the process may be dead
		if fsys.Failed() == "" {
			if err != nil {
				t.Errorf("Commit without a fault: %v", err)
			}
			return false
		}
		_, gerr := patient(t, dir).Get("", rec.UID)
		there := gerr == nil
		if err == nil && !there {
			t.Errorf("%q failed, Commit succeeded, and the record is not there: %v", fsys.Failed(), gerr)
		}
		if err != nil && there && !fault.Crash {
			t.Errorf("%q failed, Commit says %q, and the record is there", fsys.Failed(), err)
		}
		if _, lerr := os.Stat(filepath.Join(dir, "refs", "heads", "main.lock")); lerr == nil && !fault.Crash {
			t.Errorf("%q failed: main.lock is left", fsys.Failed())
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "qme_*")); len(left) > 0 && !fault.Crash {
			t.Errorf("%q failed: left behind: %v", fsys.Failed(), left)
		}
		want := have
		if there {
			wantRecord(t, patient(t, dir), "", rec)
			want = append([]*record.Record{rec}, have...)
			if got := readStream(t, patient(t, dir), "", rec, record.Stdout); string(got) != string(noise(2, 200_000)) {
				t.Errorf("%q failed: the stream is not whole", fsys.Failed())
			}
			wantParts(t, patient(t, dir), rec, "of this one")
		}
		afterwards(t, dir, want)
		return true
	})
}

func TestFaultsOfGC(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 3)
	writeLoose(t, made)
	faults.Each(t, 5, func(t *testing.T, fault storetest.Fault) bool {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		copyTree(t, made, dir)
		fsys := storetest.New(afero.NewOsFs())
		s, err := gitstore.Open(fsys, dir, options())
		if err != nil {
			t.Fatal(err)
		}
		before := len(packs(t, dir))
		fsys.Arm(fault)
		_, err = s.GC(context.Background(), true)
		failed := fsys.Failed()
		if failed != "" && err == nil && !fault.Crash {
			t.Errorf("%q failed and GC says nothing", failed)
		}
		if errors.Is(err, record.ErrCorrupt) && !fault.Crash {
			t.Errorf("%q failed and GC takes the history for damaged: %v", failed, err)
		}
		if failed != "" && !fault.Crash {
			// The same store goes on.
			wantTasks(t, s, record.Range{}, have)
		}
		_ = s.Close() // the process may be dead
		if n := len(packs(t, dir)); failed == "" && (err != nil || n != 1 || before < 2) {
			t.Errorf("GC without a fault: %v, %d packs became %d", err, before, n)
		}
		afterwards(t, dir, have)
		return failed != ""
	})
}

// writeLoose adds loose objects, which nothing refers to, as git does.
func writeLoose(t *testing.T, dir string) {
	t.Helper()
	for i := range 3 {
		if _, err := tryGit(dir, fmt.Sprint("loose ", i), "hash-object", "-w", "--stdin"); err != nil {
			t.Logf("no loose objects: %v", err)
			return
		}
	}
}

// lostReply is a file system on which the rename of the branch happens and is
// reported as failed, as NFS may when a reply is lost. moved is called in between.
type lostReply struct {
	afero.Fs
	moved func()
}

func (l lostReply) Rename(from, to string) error {
	err := l.Fs.Rename(from, to)
	if err == nil && filepath.Base(to) == "main" {
		l.moved()
		return &os.PathError{Op: "rename", Path: to, Err: syscall.EIO}
	}
	return err
}

// TestLostReply has the reply to the rename get lost.
func TestLostReply(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 1)
	s, err := gitstore.Open(lostReply{afero.NewOsFs(), func() {}}, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	rec := task(idAt("shell", epoch.Add(60*60e9), 5))
	if _, err := s.Commit(context.Background(), run(rec, nil)); err == nil {
		t.Error("Commit does not speak of the failed rename")
	}
	afterwards(t, dir, append([]*record.Record{rec}, have...))
}

// TestLostReplyAndGit has git move the branch on before the reply is missed. The
// branch is then not where Commit wanted it, and the history rests on its pack
// all the same.
func TestLostReplyAndGit(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 1)
	theirs := task(idAt("git", epoch.Add(2*60*60e9), 6))
	s, err := gitstore.Open(lostReply{afero.NewOsFs(), func() {
		plumb(t, dir, gitRun{message: message("run", theirs), rec: theirs})
	}}, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	rec := task(idAt("shell", epoch.Add(60*60e9), 5))
	if _, err := s.Commit(context.Background(), run(rec, nil)); err == nil {
		t.Error("Commit does not speak of the failed rename")
	}
	afterwards(t, dir, append([]*record.Record{theirs, rec}, have...))
}
