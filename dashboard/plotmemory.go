package dashboard

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-analyze/charts"

	"qme/provenance/usage"
	"qme/record"
)

// plotMemory draws the memory of a run over time, from its samples.
func (t *taskAPI) plotMemory(w http.ResponseWriter, r *http.Request) error {
	run, err := findRun(t.home, r)
	if err != nil {
		return err
	}
	part, err := run.Part(record.PartUsage)
	if err != nil {
		return err
	}
	series, err := usage.Parse(part)
	if err != nil {
		return fmt.Errorf("task %s: %w", run.Record.UID, err)
	}
	p := plot{title: "Memory over time", least: charts.Ptr(0.0), line: true, narrow: true}
	var times []float64
	for _, x := range series.Samples {
		times, p.values = append(times, x.Time), append(p.values, float64(x.Memory))
	}
	unit, name := unitOf(times)
	for _, at := range times {
		p.labels = append(p.labels, rounded(at/unit)+name)
	}
	bytes, inBytes := bytesOf(p.values)
	for i := range p.values {
		p.values[i] /= bytes
	}
	p.format = func(v float64) string { return rounded(v) + inBytes }
	return writePlot(w, r, p)
}

// rounded writes a number with at most one decimal.
func rounded(v float64) string { return strconv.FormatFloat(math.Round(10*v)/10, 'f', -1, 64) }

// bytesOf returns a unit in bytes and its name, so that the largest size is between one and some
// thousands of them.
func bytesOf(sizes []float64) (unit float64, name string) {
	largest := slices.Max(append([]float64{0}, sizes...))
	for i, name := range []string{" KiB", " MiB", " GiB"} {
		if unit := float64(int64(1) << (10 * (i + 1))); largest < 2<<10*unit {
			return unit, name
		}
	}
	return 1 << 40, " TiB"
}
