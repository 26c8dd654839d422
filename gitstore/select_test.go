package gitstore_test

import (
	"cmp"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// TestSelect has random choices of tasks, with some that are not there, come as a walk
// over everything comes by them; and as much of each id as is said to be enough name it.
func TestSelect(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := openStore(t, afero.NewOsFs(), filepath.Join(t.TempDir(), "tasks.git"), func(o *gitstore.Options) { o.NoSync = true })
	var cs []gitstore.Change
	var all []record.ID
	at := epoch
	for i := range 300 {
		// Some in one millisecond, some in one minute, some years apart.
		at = at.Add([]time.Duration{0, 0, time.Second, time.Hour, 300 * time.Hour}[rnd.IntN(5)])
		id := idAt([]string{"shell", "slurm"}[rnd.IntN(2)], at, i)
		all = append(all, id)
		cs = append(cs, run(task(id, "out"), nil))
	}
	commit(t, s, cs...)
	missing := []record.ID{idAt("shell", epoch.Add(-time.Hour), 0), idAt("shell", at, 1000), idAt("shell", at.Add(time.Hour), 0)}
	sn, err := s.Latest()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		want := slices.Clone(all[:n*3])
		var got []record.ID
		for res := range sn.Select(append(slices.Clone(want), missing[:n%4]...), n%2 == 0) {
			if res.Err != nil || res.Record.UID != res.ID {
				t.Fatalf("%s: %v", res.ID, res.Err)
			}
			got = append(got, res.ID)
			prefix := res.ID.UUID()[:res.Unique]
			if i := slices.IndexFunc(all, func(id record.ID) bool { return id != res.ID && strings.HasPrefix(id.UUID(), prefix) }); i >= 0 {
				t.Errorf("%s names %s as well as %s", prefix, all[i], res.ID)
			}
		}
		slices.SortFunc(want, func(a, b record.ID) int { return cmp.Compare(b.UUID(), a.UUID()) })
		if !slices.Equal(got, want) {
			t.Fatalf("%d of %d tasks come, or in another order", len(got), len(want))
		}
	}
}
