package gitstore_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/tests/require"
)

// TestPrune has git prune all that nothing refers to, before each step of a commit and
// of a garbage collection. Neither loses a file of its own.
func TestPrune(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 3)
	fsys := storetest.New(afero.NewOsFs())
	s := openStore(t, fsys, dir, func(o *gitstore.Options) { o.NoSync = true })
	var steps atomic.Int64
	fsys.Before(func(op, _ string) {
		if op != "create" && op != "rename" && op != "chmod" {
			return
		}
		steps.Add(1)
		for _, args := range [][]string{{"prune", "--expire=now"}, {"prune-packed"}} {
			if out, err := tryGit(dir, "", args...); err != nil {
				t.Errorf("git %v: %v\n%s", args, err, out)
			}
		}
	})
	rec := task(idAt("shell", epoch.Add(1e12), 50), "new")
	commit(t, s, run(rec, nil))
	if _, err := s.GC(t.Context(), true); err != nil {
		t.Error(err)
	}
	fsys.Before(nil)
	if steps.Load() < 8 {
		t.Errorf("git was asked only %d times", steps.Load())
	}
	for _, r := range append(have, rec) {
		wantGet(t, s, r)
	}
	selfCheck(t, s)
	entries, err := os.ReadDir(filepath.Join(dir, "objects", "pack"))
	if err != nil || len(entries) != 2 {
		t.Errorf("left: %v %v", entries, err)
	}
}
