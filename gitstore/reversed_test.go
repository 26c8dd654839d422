package gitstore_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// TestReversed has a reversed walk be the walk from its end, in the order of ids and in that of the
// latest runs, with tasks that have moved and tasks of the future.
func TestReversed(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	s := openStore(t, afero.NewOsFs(), filepath.Join(t.TempDir(), "tasks.git"), nil)
	var changes []gitstore.Change
	var moved []record.Moved
	for n := range 200 {
		at := epoch.Add(time.Duration(rnd.IntN(2000))*time.Hour + time.Duration(rnd.IntN(3))*time.Millisecond)
		rec := task(idAt([]string{"shell", "slurm"}[n%2], at, n), fmt.Sprint(n))
		if n%5 == 0 {
			rec.Data.Timestamp.Time = epoch.Add(time.Duration(rnd.IntN(2000)) * time.Hour)
		}
		if m, ok := record.MovedOf(rec); ok {
			moved = append(moved, m)
		}
		changes = append(changes, run(rec, nil))
	}
	version := commit(t, s, changes...)
	slices.SortFunc(moved, record.CompareMoved)
	order := record.NewOrder(version, nil, moved, epoch.Add(1500*time.Hour))
	if len(moved) < 20 {
		t.Fatalf("only %d tasks have moved", len(moved))
	}
	for _, rg := range []record.Range{{}, {Order: order}, {Order: order, Executor: "slurm"}, {Order: order, Prefix: idAt("x", epoch.Add(700*time.Hour), 0).UUID()[:5]}} {
		var walks [2][]record.ID
		for i := range walks {
			rg.Reversed = i == 1
			for id, err := range idsOf(s, rg) {
				if err != nil {
					t.Fatal(err)
				}
				walks[i] = append(walks[i], id)
			}
		}
		slices.Reverse(walks[1])
		if !slices.Equal(walks[0], walks[1]) || len(walks[0]) < 3 {
			t.Errorf("%+v: %q, and from its end %q", rg, walks[0], walks[1])
		}
		if !slices.IsSortedFunc(walks[0], rg.Order.Compare) {
			t.Errorf("%+v is not in order", rg)
		}
	}
}
