package index_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"qme/index"
	"qme/index/query"
)

// TestLater has a search that does not wait for the index find the same, leave the index as it is, and say when it is due.
func TestLater(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(41, 42))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(func(all tasks) {
		add(t, rnd, 300)(all)
		for _, r := range all {
			if r.Data.Stdout == nil {
				r.Data.Output = append(r.Data.Output, fmt.Sprintf("\nepoch 3: acc=0.%d\n", rnd.IntN(1000)))
			}
		}
	})
	few := true
	var last *index.Search
	later := func(s *index.Search) {
		s.Printed, s.Later, s.Few = true, true, func() bool { return few }
		last = s
	}
	search := func(what string, due bool) {
		t.Helper()
		for _, q := range []string{"moto", "failed -left", "-failed"} {
			same(t, sn, dir, parse(t, q, false), what, later)
			if last.Due() != due {
				t.Errorf("%s, %q: it is due: %v", what, q, last.Due())
			}
		}
	}
	catchUp := func() {
		t.Helper()
		s := &index.Search{Source: sn, Query: new(query.Query), Limit: limit, Warn: func(err error) { t.Error(err) }}
		if err := s.CatchUp(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	manifest := func() string {
		b, err := os.ReadFile(filepath.Join(dir, "qme.json"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(b)
	}

	search("without an index", true)
	if manifest() != "" {
		t.Error("there is an index")
	}
	catchUp()
	before := manifest()
	search("with an index", false)
	sn = h.commit(change(t, rnd, 299))
	search("with an index that is behind", true)
	if before == "" || manifest() != before {
		t.Error("there is another index")
	}
	catchUp()
	if manifest() == before {
		t.Error("the index was not brought up to date")
	}
	search("with an index that was brought up to date", false)

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	few = false
	search("with too many tasks to look at each", false)
	if manifest() == "" {
		t.Error("there is no index")
	}
}
