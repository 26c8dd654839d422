package index_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"qme/index"
	"qme/record"
)

func cleared(s *index.Search) { s.Cleared = true }
func allRuns(s *index.Search) { s.AllRuns = true }

// documents returns what any program finds in an index: of each document what is stored, and
// whether it is said to be of a task that was cleared, and its latest run.
func documents(t *testing.T, dir string) map[string]string {
	t.Helper()
	ix, err := bleve.OpenUsing(dir, map[string]any{"read_only": true})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	advanced, err := ix.Advanced()
	if err != nil {
		t.Fatal(err)
	}
	r, err := advanced.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := map[string]string{}
	for _, field := range []string{"cleared", "latest", "unreadable"} {
		for _, value := range []string{"true", "false"} {
			list, err := r.TermFieldReader(context.Background(), []byte(value), field, false, false, false)
			if err != nil {
				t.Fatal(err)
			}
			for d, err := list.Next(nil); d != nil; d, err = list.Next(nil) {
				if err != nil {
					t.Fatal(err)
				}
				name, err := r.ExternalID(d.ID)
				if err != nil {
					t.Fatal(err)
				}
				all[name] += field + "=" + value + " "
			}
		}
	}
	for name := range all {
		doc, err := r.Document(name)
		if err != nil {
			t.Fatal(err)
		}
		doc.VisitFields(func(f bleveindex.Field) { all[name] += f.Name() + "=" + string(f.Value()) + " " })
	}
	return all
}

// sameAsRebuilt compares the documents of an index with those of one that is made from nothing.
func sameAsRebuilt(t *testing.T, sn snapshot, dir, what string) {
	t.Helper()
	fresh := filepath.Join(t.TempDir(), "index")
	same(t, sn, fresh, parse(t, "moto", false), what)
	got, want := documents(t, dir), documents(t, fresh)
	for name := range want {
		if got[name] != want[name] {
			t.Fatalf("%s: document %s is %.300q, of a new index %.300q", what, name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d documents, a new index has %d", what, len(got), len(want))
	}
}

// searchAll compares searches of what is there and of what was cleared with looks at each
// record. It returns how many runs of cleared tasks were found.
func searchAll(t *testing.T, sn snapshot, dir, what string, options ...func(*index.Search)) (n int) {
	t.Helper()
	for _, q := range []string{"moto", "-zzz", "rc:>0 a"} {
		for _, more := range [][]func(*index.Search){nil, {cleared}, {allRuns}, {cleared, allRuns}} {
			o := append(slices.Clone(options), more...)
			got := sameInBothOrders(t, sn, dir, parse(t, q, false), fmt.Sprintf("%s: %s, %d", what, q, len(more)), o...)
			for _, id := range got.ids {
				isCleared := sn.all[id] == nil && !slices.ContainsFunc(set(o).Added, func(r index.Run) bool { return r.Record.UID == id })
				if isCleared != set(o).Cleared {
					t.Fatalf("%s: %s finds %s", what, q, id)
				}
				if isCleared {
					n++
				}
			}
		}
	}
	return n
}

// set returns a search with some options.
func set(options []func(*index.Search)) *index.Search {
	s := new(index.Search)
	for _, o := range options {
		o(s)
	}
	return s
}

// TestCleared has tasks be cleared, come back, run again and be cleared again: those that are not
// there are found where they are asked for, and nowhere else, and an index that was brought up to
// date has the documents of a new one.
func TestCleared(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(51, 52))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 350))
	if n := searchAll(t, sn, dir, "before any was cleared"); n > 0 {
		t.Fatalf("%d runs of cleared tasks", n)
	}
	gone := tasks{}
	found := 0
	for round := range 4 {
		n := 1 + rnd.IntN(15)
		if round%3 == 2 {
			n = 260 // so that the index is written
		}
		sn = h.commit(func(all tasks) {
			for range n {
				r := pick(rnd, all)
				gone[r.UID] = r
				delete(all, r.UID)
			}
			if round == 1 {
				broken := *pick(rnd, gone)
				broken.Data.Status = "unreadable"
				all[broken.UID] = &broken
			}
		})
		if round == 1 {
			sn = h.commit(func(all tasks) {
				maps.DeleteFunc(all, func(_ record.ID, r *record.Record) bool { return r.Data.Status == "unreadable" })
			})
		}
		found += searchAll(t, sn, dir, fmt.Sprintf("round %d, cleared", round))
		added := addedRuns(t, rnd, gone)
		searchAll(t, sn, dir, fmt.Sprintf("round %d, running", round), func(s *index.Search) { s.Added = added })
		sn = h.commit(func(all tasks) {
			for range n / 3 {
				back := pick(rnd, gone)
				all[back.UID] = back
				other := randomRecord(t, rnd)
				other.UID = pick(rnd, gone).UID
				other.Executor = other.UID.Executor()
				all[other.UID] = other
			}
			add(t, rnd, n)(all)
		})
		found += searchAll(t, sn, dir, fmt.Sprintf("round %d, back", round))
	}
	sn = h.commit(func(all tasks) {
		for range 257 {
			delete(all, pick(rnd, all).UID)
		}
	})
	searchAll(t, sn, dir, "the last ones")
	sameAsRebuilt(t, sn, dir, "the last ones")
	if found < 100 {
		t.Errorf("%d runs of cleared tasks were found: the test does not test", found)
	}
}

// TestClearedReset has a history that does not go on from where the index is be searched as it is:
// a task that a reset has removed was not cleared.
func TestClearedReset(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(53, 54))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	first := h.commit(add(t, rnd, 50))
	later := h.commit(add(t, rnd, 300))
	searchAll(t, later, dir, "before")
	if n := searchAll(t, first, dir, "taken back"); n > 0 {
		t.Errorf("%d runs count as cleared", n)
	}
	sameAsRebuilt(t, first, dir, "taken back")
}

// TestClearedGap has a search say that there may be more where the history cannot be read.
func TestClearedGap(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(55, 56))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	h.commit(add(t, rnd, 20))
	old := h.commit(func(all tasks) { delete(all, pick(rnd, all).UID) })
	h.commit(add(t, rnd, 5))
	sn := h.commit(func(all tasks) { delete(all, pick(rnd, all).UID) })
	back := h.forget(old.name)
	for range 2 {
		if got := same(t, sn, dir, parse(t, "-zzz", false), "gap", cleared); len(got.ids) != 1 || got.errs != 1 {
			t.Errorf("%d tasks and %d errors, want 1 of each", len(got.ids), got.errs)
		}
		if got := same(t, sn, dir, parse(t, "-zzz", false), "gap"); got.errs > 0 || len(got.ids) != len(sn.all) {
			t.Errorf("%d tasks and %d errors of %d", len(got.ids), got.errs, len(sn.all))
		}
	}
	back()
	for range 2 {
		if got := same(t, sn, dir, parse(t, "-zzz", false), "no gap", cleared); len(got.ids) != 2 || got.errs > 0 {
			t.Errorf("%d tasks and %d errors, want 2 tasks", len(got.ids), got.errs)
		}
	}
	if m := manifest(t, dir); strings.Contains(m, `"gap"`) {
		t.Errorf("the index still lacks something: %s", m)
	}
}

// TestClearedAgain has the last record of a task found that came back and was cleared again before
// the index was written.
func TestClearedAgain(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(57, 58))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 270))
	again := *pick(rnd, sn.all)
	sn = h.commit(func(all tasks) { clear(all) })
	same(t, sn, dir, parse(t, "moto", false), "cleared", cleared)
	again.Command = "once more"
	h.commit(func(all tasks) { all[again.UID] = &again })
	sn = h.commit(func(all tasks) { clear(all) })
	if got := same(t, sn, dir, parse(t, `"once more"`, false), "again", cleared); len(got.ids) != 1 {
		t.Errorf("%d tasks are found", len(got.ids))
	}
}
