package tasks

import (
	"math"
	"testing"

	"qme/record"
)

func TestOver(t *testing.T) {
	zero, one := 0, 1
	row := func(code *int, acc record.MetricValue, params ...record.Param) TableRow {
		return TableRow{Record: &record.Record{Data: record.Data{Status: record.Complete, ReturnCode: code}}, Params: params, Metrics: record.Metrics{{Name: "acc", Value: acc}}}
	}
	a, b, s1, s2 := record.Param{Name: "lr", Value: "0.1"}, record.Param{Name: "lr", Value: "1e-1"}, record.Param{Name: "seed", Value: "1"}, record.Param{Name: "seed", Value: "2"}
	table := &Table{Rows: []TableRow{row(&zero, "1", a, s1), row(&zero, "2", s2, a), row(&zero, "text", a), row(&one, "100", a, s1), row(&zero, "3", b, s1)}}
	list := table.Over([]string{"seed"})
	if len(list) != 2 || len(list[0].Rows) != 4 || len(list[1].Rows) != 1 {
		t.Fatalf("%+v", list)
	}
	if m, ok := list[0].Mean("acc"); !ok || m.N != 2 || m.Mean != 1.5 || math.Abs(m.SD-math.Sqrt2/2) > 1e-15 {
		t.Errorf("%+v", m)
	}
	if m, ok := list[1].Mean("acc"); !ok || m.N != 1 || m.Mean != 3 || !math.IsNaN(m.SD) {
		t.Errorf("%+v", m)
	}
	if _, ok := list[0].Mean("none"); ok {
		t.Error("there is a mean of nothing")
	}
	if mean, sd := meanOf([]float64{1e9 + 1, 1e9 + 2, 1e9 + 3}); mean != 1e9+2 || sd != 1 {
		t.Errorf("%v, %v", mean, sd)
	}
}
