package gitstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore/storetest"
	"qme/record"
	"qme/tests/require"
)

// TestGitRepacksDuringCommit has "git repack -ad" run between the moment in which
// the objects of a commit are written and that in which the branch moves there.
// git drops what nothing refers to, and the branch then names a commit that is
// gone. git's own receive-pack holds a .keep beside a new pack until then.
func TestGitRepacksDuringCommit(t *testing.T) {
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 2)
	fsys := storetest.New(afero.NewOsFs())
	s := openStore(t, fsys, dir, nil)
	fsys.Before(func(op, path string) {
		if op == "create" && filepath.Base(path) == "main.lock" {
			git(t, dir, "repack", "-q", "-a", "-d")
		}
	})
	rec := task(idAt("shell", epoch.Add(24*60*60e9), 9))
	commit(t, s, run(rec, nil))
	wantTasks(t, openStore(t, afero.NewOsFs(), dir, nil), record.Range{}, append([]*record.Record{rec}, have...))
	fsck(t, dir)
}

// TestGCWritesABadPack damages the pack that GC writes, as bad memory or a bad disk
// would. GC notices before the pack has its name, so nobody ever reads it.
func TestGCWritesABadPack(t *testing.T) {
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 3)
	fsys := storetest.New(afero.NewOsFs())
	s := openStore(t, fsys, dir, nil)
	fsys.Before(func(op, path string) {
		if op != "create" || !strings.HasPrefix(filepath.Base(path), "qme_idx_") {
			return
		}
		made, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "qme_pack_*"))
		if err != nil || len(made) != 1 {
			t.Fatalf("%v, %v", made, err)
		}
		flip(t, made[0], 5)
	})
	if _, err := s.GC(context.Background(), true); err == nil {
		t.Error("GC says nothing of the bad pack")
	}
	wantTasks(t, openStore(t, afero.NewOsFs(), dir, nil), record.Range{}, have)
	fsck(t, dir)
}

// TestOrphanedPack has a process die between the two names of a pack, or between
// the two removals. GC should clear away what is left, as it does with qme_*.
func TestOrphanedPack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	history(t, dir, 2)
	orphan := filepath.Join(dir, "objects", "pack", "pack-0000000000000000000000000000000000000000.pack")
	writeFile(t, orphan, []byte("x"))
	past := epoch.AddDate(-1, 0, 0)
	if err := os.Chtimes(orphan, past, past); err != nil {
		t.Fatal(err)
	}
	collect(t, patient(t, dir), true)
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestFirstCommit makes two histories: they have their first commit in common.
func TestFirstCommit(t *testing.T) {
	t.Parallel()
	a, b := emptyStore(t), emptyStore(t)
	first, err := a.Head()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := b.Head(); err != nil || other != first {
		t.Errorf("one begins with %s, the other with %s (%v)", first, other, err)
	}
}
