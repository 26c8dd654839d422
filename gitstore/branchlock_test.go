package gitstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/record"
	"qme/tests/faults"
)

// agedLock makes the lock that a git which crashed has left some time ago.
func agedLock(t *testing.T, dir string, age time.Duration) {
	t.Helper()
	writeFile(t, lockPath(dir), nil)
	past := time.Now().Add(-age)
	if err := os.Chtimes(lockPath(dir), past, past); err != nil {
		t.Fatal(err)
	}
}

func wantNoBrokenLocks(t *testing.T, dir string) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(dir, "qme-broken-lock-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// lockHook calls fn before the first rename of the branch's lock.
type lockHook struct {
	afero.Fs
	fn func()
}

func (h *lockHook) Rename(from, to string) error {
	if fn := h.fn; filepath.Base(from) == "main.lock" && fn != nil {
		h.fn = nil
		fn()
	}
	return h.Fs.Rename(from, to)
}

// linkHook is a lockHook on a file system with link(2).
type linkHook struct{ *lockHook }

func (h linkHook) Link(from, to string) error { return os.Link(from, to) }

// TestStaleLockIsTakenMeanwhile has a stale lock go, and git make a new one, between
// the look at it and its removal: git keeps its lock.
func TestStaleLockIsTakenMeanwhile(t *testing.T) {
	t.Parallel()
	for _, links := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		have := history(t, dir, 1)
		agedLock(t, dir, 3*time.Hour)
		var theirs os.FileInfo
		hook := &lockHook{afero.NewOsFs(), func() {
			if err := os.Remove(lockPath(dir)); err != nil {
				t.Error(err)
			}
			writeFile(t, lockPath(dir), []byte("git's"))
			theirs, _ = os.Stat(lockPath(dir)) // looked at below
		}}
		var fsys afero.Fs = hook
		if links {
			fsys = linkHook{hook}
		}
		var warnings []string
		s := openStore(t, fsys, dir, func(o *gitstore.Options) {
			o.StaleLock, o.LockTimeout = time.Hour, 50*time.Millisecond
			o.Warn = func(msg string) { warnings = append(warnings, msg) }
		})
		rec := task(idAt("shell", epoch.Add(time.Hour), 2))
		if _, err := s.Commit(context.Background(), run(rec, nil)); !errors.Is(err, gitstore.ErrBusy) || len(warnings) > 0 {
			t.Errorf("Commit returns %v and warns %q, want ErrBusy", err, warnings)
		}
		now, err := os.Stat(lockPath(dir))
		if err != nil || theirs == nil || !os.SameFile(now, theirs) {
			t.Fatalf("links %v: git's lock is not where it was: %v", links, err)
		}
		wantNoBrokenLocks(t, dir)
		if err := os.Remove(lockPath(dir)); err != nil {
			t.Fatal(err)
		}
		commit(t, s, run(rec, nil))
		wantTasks(t, s, record.Range{}, append([]*record.Record{rec}, have...))
		fsck(t, dir)
	}
}

// serverClock is a file system on a server whose clock is another: what is written
// to qme.lock is dated by it.
type serverClock struct {
	afero.Fs
	ahead time.Duration
}

func (c serverClock) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := c.Fs.OpenFile(name, flag, perm)
	if err == nil && filepath.Base(name) == "qme.lock" {
		f = datedFile{f, c.ahead}
	}
	return f, err
}

type datedFile struct {
	afero.File
	ahead time.Duration
}

func (f datedFile) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(b, off)
	at := time.Now().Add(f.ahead)
	return n, errors.Join(err, os.Chtimes(f.Name(), at, at))
}

// TestLockAgeIsByTheServersClock looks at locks on a file server whose clock is
// hours from ours.
func TestLockAgeIsByTheServersClock(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	history(t, made, 1)
	for _, c := range []struct {
		ahead, age time.Duration // age by the server's clock
		broken     bool
	}{
		{-5 * time.Hour, time.Second, false},
		{-5 * time.Hour, 2 * time.Hour, true},
		{5 * time.Hour, time.Second, false},
		{5 * time.Hour, 2 * time.Hour, true},
	} {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		copyTree(t, made, dir)
		agedLock(t, dir, c.age-c.ahead)
		s := openStore(t, serverClock{afero.NewOsFs(), c.ahead}, dir, func(o *gitstore.Options) {
			o.StaleLock, o.LockTimeout = time.Hour, 50*time.Millisecond
		})
		_, err := s.Commit(context.Background(), run(task(idAt("shell", epoch.Add(time.Hour), 2)), nil))
		if broken := err == nil; broken != c.broken || err != nil && !errors.Is(err, gitstore.ErrBusy) {
			t.Errorf("the server is %s ahead, the lock %s old: Commit returns %v; broken should be %v", c.ahead, c.age, err, c.broken)
		}
	}
}

// TestContextEndsTheWait ends the context while Commit waits for git.
func TestContextEndsTheWait(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 1)
	agedLock(t, dir, 0)
	before := len(packs(t, dir))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fsys := storetest.New(afero.NewOsFs())
	fsys.Before(func(_, path string) {
		if path == lockPath(dir) {
			cancel()
		}
	})
	s := openStore(t, fsys, dir, func(o *gitstore.Options) { o.StaleLock, o.LockTimeout = time.Hour, time.Hour })
	_, err := s.Commit(ctx, run(task(idAt("shell", epoch.Add(time.Hour), 2)), nil))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "main.lock") {
		t.Errorf("Commit returns %v, want context.Canceled with the lock's name", err)
	}
	if _, err := os.Stat(lockPath(dir)); err != nil {
		t.Errorf("git's lock has gone: %v", err)
	}
	if n := len(packs(t, dir)); n < before {
		t.Errorf("%d packs became %d", before, n)
	}
	if err := os.Remove(lockPath(dir)); err != nil {
		t.Fatal(err)
	}
	afterwards(t, dir, have)
}

// TestFaultsOfBreakingALock has each operation fail of a commit that finds the lock
// of a git that crashed.
func TestFaultsOfBreakingALock(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 1)
	faults.Each(t, 5, func(t *testing.T, fault storetest.Fault) bool {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		copyTree(t, made, dir)
		agedLock(t, dir, 3*time.Hour)
		fsys := storetest.New(afero.NewOsFs())
		s, err := gitstore.Open(fsys, dir, options())
		if err != nil {
			t.Fatal(err)
		}
		rec := task(idAt("shell", epoch.Add(time.Hour), 50), "new")
		fsys.Arm(fault)
		_, err = s.Commit(context.Background(), run(rec, nil))
		_ = s.Close() // the process may be dead
		// Whether the lock is still there or not, the next writer gets by; it may
		// find that of a process that died here.
		if lock, serr := os.Stat(lockPath(dir)); serr == nil && time.Since(lock.ModTime()) < time.Hour {
			agedLock(t, dir, 3*time.Hour)
		}
		again := patient(t, dir)
		_, gerr := again.Get("", rec.UID)
		if err == nil && gerr != nil {
			t.Errorf("%q failed, Commit succeeded, and the record is not there: %v", fsys.Failed(), gerr)
		}
		want := have
		if gerr == nil {
			want = append([]*record.Record{rec}, have...)
		}
		other := task(idAt("shell", epoch.Add(2*time.Hour), 51), "other")
		commit(t, again, run(other, nil))
		afterwards(t, dir, append([]*record.Record{other}, want...))
		return fsys.Failed() != ""
	})
}
