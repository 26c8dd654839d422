package index_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"qme/index"
)

// randomQuery is a query of groups within groups.
func randomQuery(rnd *rand.Rand, all tasks, depth int) string {
	if depth == 0 || rnd.IntN(3) == 0 {
		if rnd.IntN(2) == 0 {
			return needle(rnd, pick(rnd, all))
		}
		return conditions[rnd.IntN(len(conditions))]
	}
	parts := make([]string, 1+rnd.IntN(3))
	for i := range parts {
		if parts[i] = randomQuery(rnd, all, depth-1); rnd.IntN(5) == 0 {
			parts[i] = "-(" + parts[i] + ")"
		}
	}
	return "(" + strings.Join(parts, []string{" ", " OR "}[rnd.IntN(2)]) + ")"
}

// TestGroups has queries of groups find the same with the index as without.
func TestGroups(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(31, 32))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	sn := h.commit(add(t, rnd, 300))
	found := 0
	for i := range 60 {
		if i%30 == 29 {
			sn = h.commit(change(t, rnd, i))
		}
		q := randomQuery(rnd, sn.all, 3)
		all := func(s *index.Search) { s.AllRuns = i%3 == 0 }
		if got := same(t, sn, dir, parse(t, q, false), fmt.Sprintf("query %d, %s", i, q), all); len(got.ids) > 0 && len(got.ids) < len(sn.all) {
			found++
		}
	}
	if found < 20 {
		t.Errorf("%d of 60 queries were found: the test does not test", found)
	}
}
