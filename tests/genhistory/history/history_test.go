package history

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// generated makes a history and opens it.
func generated(t *testing.T, opts Options) (*gitstore.Store, *Report) {
	t.Helper()
	home := t.TempDir()
	rep, err := Generate(t.Context(), home, opts)
	if err != nil {
		t.Fatal(err)
	}
	store, err := gitstore.Open(afero.NewOsFs(), filepath.Join(home, "tasks.git"), gitstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, rep
}

func head(t *testing.T, s *gitstore.Store) string {
	t.Helper()
	h, err := s.Head()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEqualSeedsGiveEqualHistories(t *testing.T) {
	first, _ := generated(t, Options{Tasks: 300, Seed: 7})
	for _, c := range []struct {
		name  string
		opts  Options
		equal bool
	}{
		{"the same again", Options{Tasks: 300, Seed: 7}, true},
		{"written one by one", Options{Tasks: 300, Seed: 7, Batch: 1}, true},
		{"another seed", Options{Tasks: 300, Seed: 8}, false},
		{"one task more", Options{Tasks: 301, Seed: 7}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			second, _ := generated(t, c.opts)
			if equal := head(t, first) == head(t, second); equal != c.equal {
				t.Errorf("equal: %v, should be %v", equal, c.equal)
			}
		})
	}
}

// TestChains has the files of a task come from those of another one that was made before.
func TestChains(t *testing.T) {
	store, _ := generated(t, Options{Tasks: 400, Seed: 1, Files: true})
	sn, err := store.Latest()
	if err != nil {
		t.Fatal(err)
	}
	makers, joined := map[string]*record.Record{}, 0
	var all []*record.Record
	for res := range sn.Records(record.Range{}) {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		all = append(all, res.Record)
		for _, f := range res.Record.Data.Files.Out {
			makers[f.SHA256] = res.Record
		}
	}
	for _, r := range all {
		for _, f := range r.Data.Files.In {
			if f.SHA256 != sha256Hex([]byte(ContentOf(r.Data.PathOf(f)))) {
				t.Errorf("%s has another hash", f.Path)
			}
			if from := makers[f.SHA256]; from != nil {
				if joined++; !from.UID.Time().Before(r.UID.Time()) {
					t.Errorf("%s is from a later task", f.Path)
				}
			}
		}
	}
	if want := 400 * 9 / 10; joined < want {
		t.Errorf("%d inputs come from other tasks, want %d at least", joined, want)
	}
}

func TestGeneratedHistoryIsSound(t *testing.T) {
	store, rep := generated(t, Options{Tasks: 1200, Seed: 1, Batch: 10})
	checked, err := store.Check(t.Context(), func(err error) { t.Error(err) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if checked.Tasks != 1200 || checked.Commits != rep.Commits || rep.Tasks != 1200 || rep.Commits <= 1201 {
		t.Errorf("checked %+v, reported %+v; there should be 1200 tasks and more runs than that", checked, rep)
	}
	if rep.GCs == 0 || rep.Packs > 40 || store.NeedsGC() {
		t.Errorf("%d packs, joined %d times: not packed as normal use leaves it", rep.Packs, rep.GCs)
	}
	var size int64
	sizes, err := filepath.Glob(filepath.Join(store.Dir(), "objects", "pack", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sizes {
		info, err := afero.NewOsFs().Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size != rep.Bytes || rep.Bytes == 0 {
		t.Errorf("reported %d bytes, the files have %d", rep.Bytes, size)
	}
}

func TestExistingHistoryIsLeftAlone(t *testing.T) {
	store, _ := generated(t, Options{Tasks: 20, Seed: 1})
	before := head(t, store)
	_, err := Generate(t.Context(), filepath.Dir(store.Dir()), Options{Tasks: 20, Seed: 2})
	if !errors.Is(err, record.ErrConflict) {
		t.Errorf("generating over a history: %v, should be a conflict", err)
	}
	if after := head(t, store); after != before {
		t.Errorf("the history has changed from %s to %s", before, after)
	}
}

func TestCancelledGenerationFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	opts := Options{Tasks: 2000, Seed: 1, Batch: 10, Progress: func(runs, _ int) {
		if runs >= 100 {
			cancel()
		}
	}}
	if _, err := Generate(ctx, t.TempDir(), opts); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, should be cancelled", err)
	}
}

func TestRerunsFollowTheRunBefore(t *testing.T) {
	store, _ := generated(t, Options{Tasks: 800, Seed: 3})
	sn, err := store.Latest()
	if err != nil {
		t.Fatal(err)
	}
	reruns := 0
	for res := range sn.Records(record.Range{}) {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		for now := res.Record; now.Data.Run > 1; reruns++ {
			before, err := store.Get(now.Data.Previous, res.ID)
			if err != nil {
				t.Fatal(err)
			}
			if before.Data.Run != now.Data.Run-1 || before.Data.Finished.After(now.Data.Timestamp.Time) {
				t.Fatalf("%s: run %d at %s follows run %d, which ended at %s", res.ID, now.Data.Run, now.Data.Timestamp, before.Data.Run, before.Data.Finished)
			}
			if !reflect.DeepEqual(before.Data.Cmd, now.Data.Cmd) || before.Data.PWD != now.Data.PWD || before.Command != now.Command {
				t.Errorf("%s: run %d is of another command or directory", res.ID, now.Data.Run)
			}
			now = before
		}
	}
	if share := float64(reruns) / 800; share < 0.02 || share > 0.12 {
		t.Errorf("%d reruns of 800 tasks", reruns)
	}
}
