package cli

import (
	"math"
	"testing"

	"qme/record"
	"qme/tasks"
)

func TestMeanText(t *testing.T) {
	for _, c := range []struct {
		mean, sd float64
		n, all   int
		want     string
	}{
		{0.91234, 0.00123, 3, 3, "0.9123 ± 0.0012"},
		{0.91234, 0.00123, 3, 5, "0.9123 ± 0.0012 (3)"},
		{12345.6, 234.5, 2, 2, "12346 ± 234"},
		{0.5, 0, 2, 2, "0.5 ± 0"},
		{0.5, math.NaN(), 1, 1, "0.5"},
		{3e-7, 1.25e-8, 2, 2, "3e-07 ± 1.2e-08"},
		{math.NaN(), math.NaN(), 2, 2, "NaN"},
	} {
		if got := meanText(tasks.TableMean{N: c.n, Mean: c.mean, SD: c.sd}, c.all); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}

func TestCompareGridCells(t *testing.T) {
	ascending := []gridCell{{has: true, value: "-inf"}, {has: true, value: "-1e3"}, {has: true, value: "3e-4"}, {has: true, value: ".5"}, {has: true, value: "inf"}, {has: true, value: "NaN"}, {has: true, value: "1,000.5"}, {has: true, value: "a"}, {value: "0"}}
	sign := map[bool]int{false: 1, true: -1}
	for i, a := range ascending {
		for j, b := range ascending {
			classA, _ := classOf(a)
			classB, _ := classOf(b)
			for _, descending := range []bool{false, true} {
				want := sign[i > j]
				if i == j {
					want = 0
				} else if descending && classA == classB {
					want = -want
				}
				if want *= -1; compareGridCells(a, b, descending) != want {
					t.Errorf("%s and %s, %v: %d", a.value, b.value, descending, compareGridCells(a, b, descending))
				}
			}
		}
	}
	for v, want := range map[record.MetricValue]string{"0.9123456789012": "0.912346", "3e-4": "3e-4", "1,000.5": "1,000.5", "a\x1bb": "a\\x1bb"} {
		if got := metricText(v); got != want {
			t.Errorf("%q is shown as %q", v, got)
		}
	}
}
