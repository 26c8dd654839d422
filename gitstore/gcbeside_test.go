package gitstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/record"
)

// TestGCBeside has a garbage collection at work that joins large packs and does not end.
// Runs go on: what they leave is joined beside it, and the packs of the other are left
// alone, so that there are never many.
func TestGCBeside(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 3)
	s := openStore(t, afero.NewOsFs(), dir, nil)
	var busy []string
	for _, p := range packs(t, dir) {
		busy = append(busy, strings.TrimSuffix(filepath.Base(p), ".pack"))
	}
	lock, err := os.OpenFile(filepath.Join(dir, "qme-gc.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	// It has yet to choose its packs: nothing is joined.
	most := 0
	runs := func(n int) {
		for range n {
			rec := task(idAt("shell", epoch.Add(time.Hour), len(have)), fmt.Sprint("output ", len(have)))
			commit(t, s, run(rec, nil))
			have = append([]*record.Record{rec}, have...)
			if s.NeedsGC() {
				if _, err := s.GC(t.Context(), false); err != nil {
					t.Fatal(err)
				}
			}
			most = max(most, len(packs(t, dir)))
		}
	}
	runs(40)
	if n := len(packs(t, dir)); n < 40 {
		t.Errorf("%d packs although another is choosing", n)
	}
	if _, err := lock.WriteString(strings.Join(busy, "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
	most = 0
	runs(150)
	if most > len(busy)+40+10 {
		t.Errorf("there were %d packs at a time", most)
	}
	for _, name := range busy {
		if !slices.ContainsFunc(packs(t, dir), func(p string) bool { return strings.Contains(p, name) }) {
			t.Errorf("%s, which another joins, is gone", name)
		}
	}
	if rep, err := s.GC(t.Context(), true); rep != nil || err != nil {
		t.Errorf("GC of all beside another: %+v, %v", rep, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	collect(t, s, true)
	if n := len(packs(t, dir)); n != 1 {
		t.Errorf("%d packs in the end", n)
	}
	slices.SortFunc(have, func(a, b *record.Record) int { return strings.Compare(string(b.UID), string(a.UID)) })
	wantTasks(t, s, record.Range{}, have)
	selfCheck(t, s)
	fsck(t, dir)
}
