package gitstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/record"
	"qme/tests/require"
)

// lockPath is the lock by which git and qme keep each other from the branch.
func lockPath(dir string) string { return filepath.Join(dir, "refs", "heads", "main.lock") }

func TestStaleLocks(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 1)
	hash := strings.Repeat("ab", 20) + "\n"
	note := strings.Repeat("ab", 20) + " " + gitstore.BootID() + "\n"
	for _, c := range []struct {
		name       string
		note, lock string // what qme.lock and main.lock hold
		age        time.Duration
		broken     bool
	}{
		{"of a dead qme", note, hash, 0, true},
		{"of a qme that died before another one did", strings.Repeat("ef", 20) + " " + strings.TrimSpace(gitstore.BootID()) + " " + strings.Repeat("ab", 20) + "\n", hash, 0, true},
		{"of a qme that died as it wrote", note, hash[:7], 0, true},
		{"of a qme that died before it wrote", note, "", 5 * time.Second, true},
		{"empty, perhaps made by git this moment", note, "", 0, false},
		{"of git", "", strings.Repeat("cd", 20) + "\n", 0, false},
		{"of git, behind a qme that died", note, strings.Repeat("cd", 20) + "\n", time.Minute, false},
		{"of a qme on another machine", strings.Repeat("ab", 20) + " elsewhere\n", hash, 0, false},
		{"of git, without content", "", "", time.Minute, false},
		{"of a git that crashed", "", "", 3 * time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "tasks.git")
			copyTree(t, made, dir)
			writeFile(t, filepath.Join(dir, "qme.lock"), []byte(c.note))
			writeFile(t, lockPath(dir), []byte(c.lock))
			past := time.Now().Add(-c.age)
			if err := os.Chtimes(lockPath(dir), past, past); err != nil {
				t.Fatal(err)
			}
			var warnings []string
			s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) {
				o.StaleLock, o.LockTimeout = 2*time.Hour, 100*time.Millisecond
				o.Warn = func(msg string) { warnings = append(warnings, msg) }
			})
			rec := task(idAt("shell", epoch.Add(time.Hour), 2))
			_, err := s.Commit(context.Background(), run(rec, nil))
			if !c.broken {
				if !errors.Is(err, gitstore.ErrBusy) || len(warnings) > 0 {
					t.Errorf("Commit returns %v and warns %q, want ErrBusy", err, warnings)
				}
				if b, err := os.ReadFile(lockPath(dir)); err != nil || string(b) != c.lock {
					t.Errorf("the lock was touched: %q, %v", b, err)
				}
				wantTasks(t, s, record.Range{}, have)
				if err := os.Remove(lockPath(dir)); err != nil { // git is done
					t.Fatal(err)
				}
				commit(t, s, run(rec, nil))
			} else if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "main.lock") {
				t.Errorf("Commit returns %v and warns %q", err, warnings)
			}
			wantTasks(t, s, record.Range{}, append([]*record.Record{rec}, have...))
			wantNoBrokenLocks(t, dir)
			fsck(t, dir)
		})
	}
}

// TestStaleLockOfParts has a lock on the parts at home, which a dead qme has left, be known as such
// although others have written meanwhile that had no part.
func TestStaleLockOfParts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	history(t, dir, 1)
	left := strings.Repeat("ab", 20)
	writeFile(t, filepath.Join(dir, "qme.lock"), []byte(left+" "+gitstore.BootID()+"\n"))
	lock := filepath.Join(dir, "refs", "qme", "home.lock")
	if err := os.MkdirAll(filepath.Dir(lock), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, lock, []byte(left+"\n"))
	var warnings []string
	s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) {
		o.StaleLock, o.LockTimeout = 2*time.Hour, 100*time.Millisecond
		o.Warn = func(msg string) { warnings = append(warnings, msg) }
	})
	for i := range 2 {
		commit(t, s, run(task(idAt("shell", epoch.Add(time.Hour), 2+i)), nil))
	}
	rec := task(idAt("shell", epoch.Add(time.Hour), 9))
	content := []byte("packages")
	part := record.NewPart(content)
	part.Home = true
	rec.Data.Parts = record.Parts{record.PartEnv: part}
	change := run(rec, nil)
	change.Parts = map[record.PartName][]byte{record.PartEnv: content}
	commit(t, s, change)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "home.lock") {
		t.Errorf("Commit warns %q", warnings)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "qme.lock")); err != nil || strings.Trim(string(b), "\x00") != "" {
		t.Errorf("the note stays: %q, %v", b, err)
	}
	fsck(t, dir)
}

// TestLockIsWaitedFor has git's lock go while Commit waits.
func TestLockIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) { o.StaleLock, o.LockTimeout = time.Hour, time.Minute })
	writeFile(t, lockPath(dir), nil)
	removed := make(chan error, 1)
	rec := task(idAt("shell", epoch, 1))
	change := run(rec, nil)
	build := change.Build
	change.Build = func(r *record.Record, c string) (*record.Record, error) {
		time.AfterFunc(30*time.Millisecond, func() { removed <- os.Remove(lockPath(dir)) })
		return build(r, c)
	}
	commit(t, s, change)
	if err := <-removed; err != nil {
		t.Errorf("Commit did not wait for the lock: %v", err)
	}
	wantRecord(t, s, "", rec)
}

// TestQueueIsHeldByAnother takes the writers' queue as another process would.
func TestQueueIsHeldByAnother(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) { o.LockTimeout = 50 * time.Millisecond })
	f, err := os.OpenFile(filepath.Join(dir, "qme.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	rec := task(idAt("shell", epoch, 1))
	if _, err := s.Commit(context.Background(), run(rec, nil)); !errors.Is(err, gitstore.ErrBusy) {
		t.Errorf("Commit returns %v, want ErrBusy", err)
	}
	wantGone(t, s, rec.UID)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// A lock that came too late was let go: the next Commit has its turn.
	later := openStore(t, afero.NewOsFs(), dir, nil)
	commit(t, later, run(rec, nil))
}

// TestBranchMovesMeanwhile has git commit between Build and the compareAndSwap.
func TestBranchMovesMeanwhile(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, nil)
	id := idAt("shell", epoch, 1)
	theirs := task(id, "theirs")
	var moved string
	var seen []string
	version, err := s.Commit(context.Background(), gitstore.Change{Verb: "run", What: "x", ID: id, When: epoch,
		Build: func(current *record.Record, at string) (*record.Record, error) {
			seen = append(seen, at)
			if current == nil {
				moved = plumb(t, dir, gitRun{message: message("run", theirs), rec: theirs})
				return task(id, "ours"), nil
			}
			if encoded(t, current) != encoded(t, theirs) {
				t.Errorf("Build gets\n%s", encoded(t, current))
			}
			rec := task(id, "ours")
			rec.Data.Run, rec.Data.Previous = 2, at
			return rec, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[1] != moved {
		t.Errorf("Build was called at %v, want a second time at %s", seen, moved)
	}
	if parent := git(t, dir, "rev-parse", version+"^"); parent != moved {
		t.Errorf("the commit is upon %s, want %s", parent, moved)
	}
	wantRecord(t, s, moved, theirs)
	if n := len(packs(t, dir)); n != 2 {
		t.Errorf("%d packs: that of the attempt which came to nothing is left", n)
	}
	fsck(t, dir)
}

// TestWritersWithGit lets git and two stores write at the same time.
func TestWritersWithGit(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	var recs []*record.Record
	for i := range 3 {
		recs = append(recs, task(idAt("git", epoch, i)))
	}
	openStore(t, afero.NewOsFs(), dir, nil)
	var wg sync.WaitGroup
	for w := range 2 {
		s := openStore(t, afero.NewOsFs(), dir, nil)
		for i := range 20 {
			recs = append(recs, task(idAt("shell", epoch.Add(time.Duration(1+w)*time.Second), i)))
		}
		mine := recs[len(recs)-20:]
		wg.Go(func() {
			for _, rec := range mine {
				if _, err := s.Commit(context.Background(), run(rec, nil)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, rec := range recs[:3] { // git says so when the branch has moved, and tries again
		for !pushOne(t, dir, rec) {
		}
	}
	wg.Wait()
	wantTasks(t, openStore(t, afero.NewOsFs(), dir, nil), record.Range{}, place{}.all(recs...))
	fsck(t, dir)
}

// pushOne commits a record by git in a clone and pushes it; it reports whether the
// branch was still where the clone had found it.
func pushOne(t *testing.T, dir string, rec *record.Record) bool {
	t.Helper()
	work := filepath.Join(t.TempDir(), "work")
	git(t, ".", "clone", "-q", "--no-local", dir, work)
	writeFile(t, filepath.Join(work, rec.UID.Path()), []byte(encoded(t, rec)))
	git(t, work, "add", "-A")
	git(t, work, "commit", "-q", "-m", message("run", rec))
	_, err := tryGit(work, "", "push", "-q", "origin", "main")
	return err == nil
}

// TestNoKernelLocks has a second writer come while the first holds git's lock on
// the branch, where the file system has no flock(2), as some network file systems
// are mounted. Then that lock alone keeps them apart.
func TestNoKernelLocks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	openStore(t, afero.NewOsFs(), dir, nil)
	// storetest.FS has files that cannot be locked.
	other := openStore(t, storetest.New(afero.NewOsFs()), dir, func(o *gitstore.Options) { o.StaleLock, o.LockTimeout = time.Hour, 50*time.Millisecond })
	fsys := storetest.New(afero.NewOsFs())
	s := openStore(t, fsys, dir, nil)
	first, second := task(idAt("shell", epoch, 1)), task(idAt("shell", epoch, 2))
	came := false
	fsys.Before(func(op, path string) {
		if op != "rename" || filepath.Base(path) != "main" || came {
			return
		}
		came = true
		if _, err := other.Commit(context.Background(), run(second, nil)); !errors.Is(err, gitstore.ErrBusy) {
			t.Errorf("beside a writer that holds the lock, Commit returns %v, want ErrBusy", err)
		}
	})
	commit(t, s, run(first, nil))
	if !came {
		t.Error("the second writer did not come")
	}
	commit(t, other, run(second, nil))
	wantTasks(t, openStore(t, afero.NewOsFs(), dir, nil), record.Range{}, []*record.Record{second, first})
	fsck(t, dir)
}

// TestDeathBesideLeftLock has a writer die when it has noted its own commit and not
// yet removed the lock that an earlier one left. The next one knows that lock still.
func TestDeathBesideLeftLock(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	openStore(t, afero.NewOsFs(), dir, nil)
	hash := strings.Repeat("ab", 20)
	writeFile(t, filepath.Join(dir, "qme.lock"), []byte(hash+" "+gitstore.BootID()+"\n"))
	writeFile(t, lockPath(dir), []byte(hash+"\n"))
	s := openStore(t, afero.NewOsFs(), dir, func(o *gitstore.Options) { o.StaleLock, o.LockTimeout = time.Hour, 100*time.Millisecond })
	for _, err := range []error{
		s.AnnounceAndDie(strings.Repeat("1", 40)), s.AnnounceAndDie(strings.Repeat("2", 40)),
		s.AnnounceAndRollback(strings.Repeat("3", 40)), // it leaves the note as it was
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	commit(t, s, run(task(idAt("shell", epoch, 1)), nil))
}
