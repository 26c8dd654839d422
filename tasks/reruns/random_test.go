package reruns_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"qme/gitstore"
	"qme/record"
	"qme/tasks/reruns"
	"qme/tests/require"
)

// now is the present of the random histories. Some of their tasks are of the future.
var now = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// naive returns the tasks of a snapshot in the order of their latest runs, of which it reads each.
func naive(t *testing.T, sn *gitstore.Snapshot) []record.ID {
	t.Helper()
	type task struct {
		id     record.ID
		future bool
		place  string
	}
	var list []task
	limit := now.Add(record.ClockSkew).UnixMilli()
	for res := range sn.Records(record.Range{}) {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		uuid := res.ID.UUID()
		at, digits := res.Record.Data.Timestamp.UnixMilli(), strings.ReplaceAll(uuid, "-", "")
		if made := res.ID.Time(); res.Record.Data.Run <= 1 && res.Record.Data.Timestamp.Sub(made).Abs() <= time.Second {
			at = made.UnixMilli()
		}
		list = append(list, task{res.ID, at > limit, fmt.Sprintf("%012x", at) + digits[12:] + digits})
	}
	slices.SortFunc(list, func(a, b task) int {
		if a.future != b.future {
			return map[bool]int{true: 1, false: -1}[a.future]
		}
		return cmp.Compare(b.place, a.place)
	})
	var ids []record.ID
	for _, one := range list {
		ids = append(ids, one.id)
	}
	return ids
}

// sameAsNaive checks the order of a list from both ends, and the order of single tasks.
func (h *home) sameAsNaive(rnd *rand.Rand, what string) {
	h.t.Helper()
	sn, err := h.Latest()
	if err != nil {
		h.t.Error(err)
		return
	}
	o, err := h.list.Order(h.t.Context(), sn, now)
	if err != nil {
		h.t.Errorf("%s: %v", what, err)
		return
	}
	want := naive(h.t, sn)
	for _, reversed := range []bool{false, true} {
		var got []record.ID
		for res := range sn.Records(record.Range{Brief: true, Order: o, Reversed: reversed}) {
			got = append(got, res.ID)
		}
		if reversed {
			slices.Reverse(got)
		}
		if !slices.Equal(got, want) {
			h.t.Fatalf("%s: reversed %t: the order is\n%v\nand not\n%v", what, reversed, got, want)
		}
	}
	for range min(20, len(want)) {
		i, j := rnd.IntN(len(want)), rnd.IntN(len(want))
		if got := o.Compare(want[i], want[j]); cmp.Compare(got, 0) != cmp.Compare(i, j) {
			h.t.Fatalf("%s: Compare of the tasks %d and %d is %d", what, i, j, got)
		}
	}
}

// randomID returns an id of some time, in rare cases of the future.
func randomID(t *testing.T, rnd *rand.Rand) record.ID {
	t.Helper()
	at := now.Add(-time.Duration(rnd.IntN(3_000_000)) * time.Millisecond)
	if rnd.IntN(20) == 0 {
		at = now.Add(time.Duration(rnd.IntN(24)) * time.Hour)
	}
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	id, err := record.ParseID(fmt.Sprintf("%s-%s-%s-7%03x-8000-%012x", []string{"shell", "slurm", "tick"}[rnd.IntN(3)],
		ms[:8], ms[8:], rnd.IntN(0x1000), rnd.Uint64()>>16))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// later returns by how much a task's latest run began after the time in its id.
func later(rnd *rand.Rand) time.Duration {
	switch rnd.IntN(10) {
	case 0, 1:
		return 0
	case 2:
		return time.Duration(rnd.IntN(4000)-2000) * time.Millisecond
	case 3:
		return time.Duration(rnd.IntN(48)) * time.Hour
	default:
		return time.Duration(rnd.IntN(600_000)) * time.Millisecond
	}
}

// randomCommit commits so many changes: new tasks, reruns, and tasks that are cleared.
func (h *home) randomCommit(rnd *rand.Rand, ids *[]record.ID, n int) {
	h.t.Helper()
	var changes []gitstore.Change
	touched := map[record.ID]bool{}
	for range n {
		var id record.ID
		if old := len(*ids); old > 0 && rnd.IntN(3) == 0 {
			id = (*ids)[rnd.IntN(old)]
		}
		switch {
		case touched[id]:
		case id == "":
			id = randomID(h.t, rnd)
			*ids = append(*ids, id)
			changes = append(changes, change(id, later(rnd)))
		case rnd.IntN(3) == 0:
			*ids = slices.DeleteFunc(*ids, func(one record.ID) bool { return one == id })
			changes = append(changes, gitstore.Change{Verb: "clear", What: "one", Delete: []record.ID{id}})
		default:
			changes = append(changes, change(id, later(rnd)))
		}
		touched[id] = true
	}
	if len(changes) == 0 {
		return
	}
	if _, err := h.Commit(h.t.Context(), changes...); err != nil {
		h.t.Fatal(err)
	}
}

// damage does something bad to the files of a list, and says what.
func (h *home) damage(rnd *rand.Rand) string {
	h.t.Helper()
	name := []string{reruns.FileName, reruns.TableName, reruns.TableName, reruns.TableName}[rnd.IntN(4)]
	path := filepath.Join(filepath.Dir(h.list.Path), name)
	b, err := os.ReadFile(path)
	if err != nil {
		return "nothing" // there is no such file yet
	}
	at := rnd.IntN(len(b))
	switch rnd.IntN(5) {
	case 0:
		if err := os.Remove(path); err != nil {
			h.t.Fatal(err)
		}
		return name + " removed"
	case 1:
		b = b[:at]
	case 2:
		clear(b[at/4096*4096 : min(at/4096*4096+4096, len(b))])
	default:
		b[at] ^= 1 << rnd.IntN(8)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprintf("%s at %d", name, at)
}

// TestRandomHistories compares the order with that of all records, after each of many changes:
// runs, reruns, removals, pulls of many, clocks that are wrong, and damage.
func TestRandomHistories(t *testing.T) {
	require.Alone(t)
	defer reruns.SetTableFrom(40)()
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		h := newHome(t)
		var ids []record.ID
		for step := range 25 {
			what := fmt.Sprintf("seed %d, step %d", seed, step)
			n := 1 + rnd.IntN(3)
			if rnd.IntN(6) == 0 {
				n = 30 + rnd.IntN(150)
			}
			h.list.Eager = rnd.IntN(4) == 0
			h.list.ReadOnly = rnd.IntN(8) == 0
			h.randomCommit(rnd, &ids, n)
			if seed%2 == 1 && rnd.IntN(4) == 0 {
				what += ", damaged: " + h.damage(rnd)
			}
			h.sameAsNaive(rnd, what)
		}
	}
}

// TestSeveralAtOnce has several processes list and write at once.
func TestSeveralAtOnce(t *testing.T) {
	defer reruns.SetTableFrom(40)()
	h := newHome(t)
	h.put(200, "shell", time.Minute)
	h.list.Progress = nil
	var all sync.WaitGroup
	for seed := range uint64(3) {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 8))
			mine := *h
			mine.list.Eager = seed%2 == 0
			var ids []record.ID
			for step := range 8 {
				mine.randomCommit(rnd, &ids, 1+rnd.IntN(40))
				mine.sameAsNaive(rnd, fmt.Sprintf("process %d, step %d", seed, step))
			}
		})
	}
	all.Wait()
}

// TestLongList lists more tasks than the list holds by itself: those in the table are not read again, whatever becomes of the list.
func TestLongList(t *testing.T) {
	defer reruns.SetTableFrom(40)()
	h := newHome(t)
	h.put(60, "shell", time.Minute)
	h.order()
	table := filepath.Join(filepath.Dir(h.list.Path), reruns.TableName)
	before, err := os.Stat(table)
	if err != nil {
		t.Fatal(err)
	}
	h.read = 0
	for range 4 {
		h.put(1, "shell", time.Minute)
		h.list.Eager = true
		h.order()
	}
	if h.read != 1 {
		t.Errorf("after one run %d records were read", h.read)
	}
	if after, err := os.Stat(table); err != nil || !os.SameFile(before, after) {
		t.Errorf("the table was written again for four runs: %v", err)
	}
	h.list.Eager = false
	if err := os.WriteFile(h.list.Path, []byte("qme reruns 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if h.order(); h.read != 4 {
		t.Errorf("without the list %d records were read, and not the 4 that the table lacks", h.read)
	}
	if h.order(); h.read != 0 {
		t.Errorf("the list was not made again: %d records were read", h.read)
	}
}
