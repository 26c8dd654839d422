package record_test

import (
	"slices"
	"testing"
	"time"

	"qme/record"
)

func idAt(t *testing.T, clock, tail string) record.ID {
	t.Helper()
	id, err := record.ParseID("shell-" + clock + "-7" + tail + "-8000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOrder(t *testing.T) {
	old, mid, young := idAt(t, "01a00000-0000", "000"), idAt(t, "01a00000-0001", "000"), idAt(t, "01a00000-0002", "000")
	ahead, further := idAt(t, "01a10000-0000", "000"), idAt(t, "e677d000-0000", "000")
	now := young.Time().Add(time.Hour)
	at := func(id record.ID, began time.Time, run int) *record.Record {
		return &record.Record{UID: id, Data: record.Data{Timestamp: record.Time{Time: began}, Run: run}}
	}
	var moved []record.Moved
	for _, r := range []*record.Record{
		at(old, now, 2), at(mid, mid.Time(), 1), at(young, young.Time().Add(900*time.Millisecond), 1), at(ahead, now.Add(48*time.Hour), 2),
	} {
		if m, ok := record.MovedOf(r); ok {
			moved = append(moved, m)
		}
	}
	if len(moved) != 2 {
		t.Errorf("%d tasks have moved, want 2", len(moved))
	}
	o := record.NewOrder("", nil, moved, now)
	sorted := func(o *record.Order) []record.ID {
		ids := []record.ID{mid, further, ahead, old, young}
		slices.SortFunc(ids, o.Compare)
		return ids
	}
	if got, want := sorted(o), []record.ID{old, young, mid, further, ahead}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := sorted(nil), []record.ID{further, ahead, young, mid, old}; !slices.Equal(got, want) {
		t.Errorf("by id %v, want %v", got, want)
	}
	// An uncommitted run is where it began, and what came back from the future is there as well.
	o = o.With([]*record.Record{at(mid, now.Add(time.Second), 2), at(further, now.Add(2*time.Second), 3)})
	if got, want := sorted(o), []record.ID{further, mid, old, young, ahead}; !slices.Equal(got, want) {
		t.Errorf("with uncommitted runs %v, want %v", got, want)
	}
	if !o.Has(mid) || o.Has(young) {
		t.Error("which tasks have moved is not known")
	}
}

func TestUnique(t *testing.T) {
	t.Parallel()
	id := idAt(t, "01a22229-2f2c", "d3e")
	near := idAt(t, "01a22229-2f2c", "d3f")
	other := record.ID("slurm-" + id.UUID())
	for _, c := range []struct {
		others []record.ID
		want   int
	}{
		{nil, 13},
		{[]record.ID{id, idAt(t, "01a22229-2f2d", "d3e")}, 13},
		{[]record.ID{near, id}, 18},
		{[]record.ID{other}, 36},
	} {
		if got := id.Unique(c.others...); got != c.want {
			t.Errorf("beside %v %d characters name %s, want %d", c.others, got, id, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	id := idAt(t, "01a22229-2f2c", "d3e")
	for unique, want := range map[int]string{
		0: "01a22229-2f2c", 13: "01a22229-2f2c", 14: "01a22229-2f2c-7d3e", 18: "01a22229-2f2c-7d3e", 19: "01a22229-2f2c-7d3e-8000", 24: id.UUID(), 36: id.UUID(),
	} {
		if got := id.Short(unique); got != want {
			t.Errorf("Short(%d) = %s, want %s", unique, got, want)
		}
	}
}
