package index_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"qme/index"
	"qme/record"
)

// fieldConditions are on what enrich writes.
var fieldConditions = []string{
	"env:SEED", "env:SEED=1", "-env:SEED=1", "env:LONG", "-env:NONE", "run:1", "run:>1", "-run:1", "run:!=2", "run:019aaf3c", "-run:019aaf3c-1", "run:019aaf3d",
	"job:17", "job:9_1", "-job:9", "job:9_2 OR job:17", "state:timeout", "-state:failed", "state:cancelled", "partition:gpu", "-partition:LONG", "partition:gpu state:timeout",
}

// enrich adds to records that have none environment variables, names of runs, and what a
// scheduler says of jobs.
func enrich(rnd *rand.Rand, all tasks) {
	for _, r := range all {
		if r.Data.Env != nil {
			continue
		}
		r.Data.Env = map[string]string{}
		if rnd.IntN(2) == 0 {
			r.Data.Env["SEED"] = strconv.Itoa(rnd.IntN(3))
			r.Data.Env["LONG"] = strings.Repeat("x", 300)
		}
		if rnd.IntN(2) == 0 && r.Data.Run <= 1 {
			r.Data.RunID = record.RunID([]string{"019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "019aaf3d-1b2c-7d3e-8f40-5b1f0c2d9e7a"}[rnd.IntN(2)])
		}
		if j := r.Data.Job; j != nil {
			j.State, j.Partition = []string{"TIMEOUT", "FAILED", "CANCELLED by 0", ""}[rnd.IntN(4)], []string{"gpu", "gpu,long", ""}[rnd.IntN(3)]
			if rnd.IntN(2) == 0 {
				j.ID, j.Elements = "9", []record.JobElement{{ID: "9_1", State: "FAILED"}, {ID: "9_2"}}
			}
		}
	}
}

// TestFields has conditions on variables, runs and jobs find the same with the index as
// without.
func TestFields(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(33, 34))
	dir := filepath.Join(t.TempDir(), "index")
	h := new(history)
	more := func(all tasks) {
		add(t, rnd, 150)(all)
		enrich(rnd, all)
	}
	h.commit(more)
	for i, q := range fieldConditions {
		sn := h.commit(func(all tasks) {
			if i%8 == 0 {
				more(all)
			}
		})
		got := same(t, sn, dir, parse(t, q, false), q, func(s *index.Search) { s.AllRuns = i%3 == 0 })
		if len(got.ids) == 0 {
			t.Errorf("%s finds nothing: the test does not test", q)
		}
	}
}

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
