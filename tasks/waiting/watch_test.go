package waiting_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/internal/wholefile"
	"qme/record"
	"qme/tasks/waiting"
)

// addID adds a task and returns its id.
func addID(t *testing.T, f *waiting.Folder) record.ID {
	t.Helper()
	rec, _ := add(t, f)
	return rec.UID
}

// A watch sees tasks that come, are changed in their place, and go, also within a tick of the clock.
func TestWatch(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	f := waiting.New(afero.NewOsFs(), filepath.Join(home, "queue"))
	w := f.Watch()
	version := uint64(0)
	look := func(want ...record.ID) map[record.ID]wholefile.Stamp {
		t.Helper()
		stamps, v, err := w.Look()
		if err != nil {
			t.Fatal(err)
		}
		there := map[record.ID]bool{}
		for id := range maps.Keys(stamps) {
			there[id] = true
		}
		for _, id := range want {
			if !there[id] {
				t.Errorf("%s is missing", id)
			}
		}
		if len(stamps) != len(want) {
			t.Errorf("%d tasks, want %d", len(stamps), len(want))
		}
		version = v
		return stamps
	}
	changed := func(what string, was uint64) {
		t.Helper()
		if version == was {
			t.Errorf("%s: the version is the same", what)
		}
	}
	look()
	was := version
	a := addID(t, f)
	look(a)
	changed("a task came", was)
	was = version
	b := addID(t, f)
	before := look(a, b)
	changed("another came at once", was)
	was = version
	if look(a, b); version != was {
		t.Error("without a change there is another version")
	}
	if err := f.Change(context.Background(), a, func(e *waiting.Entry, _ *record.Record) error { e.Held = true; return nil }); err != nil {
		t.Fatal(err)
	}
	after := look(a, b)
	changed("a task was held", was)
	if before[a] == after[a] || before[b] != after[b] {
		t.Errorf("the stamps of the one that was held are %v, %v, of the other %v, %v", before[a], after[a], before[b], after[b])
	}
	was = version
	if err := f.Claim(a, filepath.Join(home, "claimed")); err != nil {
		t.Fatal(err)
	}
	look(b)
	changed("a task has started", was)
	was = version
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(f.Dir(), long, long); err != nil {
		t.Fatal(err)
	}
	look(b)
	if look(b); version != was {
		t.Error("nothing has changed for long, but the version")
	}
}
