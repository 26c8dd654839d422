package gitstore_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
)

// TestFlushOrder looks at the order of what Open, Commit and GC do, because a power
// cut keeps what was flushed and little else: a file gets its name only when its
// bytes are flushed, an index only behind its pack, the branch only behind both, and
// nothing is removed before that.
func TestFlushOrder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	fsys := storetest.New(afero.NewOsFs())
	var log []string
	unflushed := map[string]bool{}
	fsys.Before(func(op, path string) {
		name := filepath.Base(path)
		switch op {
		case "write":
			unflushed[name] = true
		case "sync":
			delete(unflushed, name)
		case "rename", "remove":
			if op == "rename" {
				delete(unflushed, "qme.lock")    // a note for repairs, which may be lost
				delete(unflushed, "qme-gc.lock") // a note for processes that run, and end with the machine
				for other := range unflushed {
					if filepath.Ext(other) == ".keep" { // for git, while this process lives
						delete(unflushed, other)
					}
				}
				for other := range unflushed {
					t.Errorf("%s gets its name before %s is flushed", name, other)
				}
			}
			ext := filepath.Ext(name)
			if strings.HasPrefix(name, "tasks.git") || name == "main" {
				ext = name
			}
			log = append(log, op+" "+ext)
		}
	})
	want := func(what string, steps ...string) {
		t.Helper()
		if !slices.Equal(log, steps) {
			t.Errorf("%s does %q, want %q", what, log, steps)
		}
		log = nil
	}
	s, err := gitstore.Open(fsys, dir, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // only files that were read
	want("Open", "rename .pack", "rename .idx", "remove .keep", "rename tasks.git")
	rec := task(idAt("shell", epoch, 1))
	commit(t, s, run(rec, stored(rec, "stdout", noise(1, 200_000))))
	want("Commit", "rename .pack", "rename .idx", "rename main", "remove .keep")
	if _, err := s.GC(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	if len(log) < 6 || !slices.Equal(log[:2], []string{"rename .pack", "rename .idx"}) || slices.ContainsFunc(log[2:], func(l string) bool { return strings.HasPrefix(l, "rename") }) {
		t.Errorf("GC does %q", log)
	}
}
