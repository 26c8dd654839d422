package dashboard

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-analyze/charts"
)

// The sizes of pictures, about the sizes at which the page shows them, so that text is
// legible. The picture of a task is in a narrow column.
const (
	plotWidth       = 680
	plotHeight      = 240
	plotNarrow      = 400
	plotNarrowLower = 190
)

// A plot describes a picture.
type plot struct {
	title  string
	labels []string
	values []float64
	failed []float64 // the failed part of each value; nil: not shown
	format func(float64) string
	line   bool
	narrow bool
	least  *float64 // the beginning of the scale; nil: chosen from the values
	most   *float64 // the end of the scale; nil: chosen from the values
	marks  int      // the number of labels on the scale; 0: chosen from the values
}

// paletteOf returns the colours of the theme in a request, as in web/css/base.css.
func paletteOf(r *http.Request) (charts.ColorPalette, error) {
	switch t := r.URL.Query().Get("theme"); t {
	case "", "light":
		return palette(charts.ThemeLight, "#3451c6", "#bb2a2a"), nil
	case "dark":
		return palette(charts.ThemeDark, "#93a9ff", "#ff8f87"), nil
	default:
		return nil, badRequest(fmt.Sprintf("theme %q is neither light nor dark", t))
	}
}

func palette(theme, accent, bad string) charts.ColorPalette {
	colours := []charts.Color{charts.ColorFromHex(accent), charts.ColorFromHex(bad)}
	return charts.GetTheme(theme).WithBackgroundColor(charts.ColorTransparent).WithSeriesColors(colours)
}

// writePlot sends a plot as SVG.
func writePlot(w http.ResponseWriter, r *http.Request, p plot) error {
	colours, err := paletteOf(r)
	if err != nil {
		return err
	}
	b, err := p.draw(colours)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", picturePolicy)
	if notModified(w, r, tagOf(b)) {
		return nil
	}
	return writeBytes(w, r, http.StatusOK, "image/svg+xml", b)
}

// labelsMost is the number of labels that fit.
const labelsMost = 5

func (p plot) draw(palette charts.ColorPalette) ([]byte, error) {
	if len(p.values) == 0 {
		p.labels, p.values, p.title = []string{""}, []float64{0}, p.title+": nothing yet"
		if p.failed != nil {
			p.failed = []float64{0}
		}
	}
	width, height := plotWidth, plotHeight
	if p.narrow {
		width, height = plotNarrow, plotNarrowLower
	}
	canvas := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height, Theme: palette})
	values := [][]float64{p.values}
	if p.failed != nil {
		values = [][]float64{make([]float64, len(p.values)), p.failed}
		for i, failed := range p.failed {
			values[0][i] = p.values[i] - failed
		}
	}
	var err error
	if p.line {
		opt := charts.NewLineChartOptionWithData(values)
		opt.Title.Text, opt.Theme, opt.ValueFormatter = p.title, palette, p.format
		opt.Legend.Show = charts.Ptr(false)
		opt.XAxis.Labels, opt.XAxis.LabelCount = p.labels, min(labelsMost, len(p.labels))
		for i := range opt.YAxis {
			opt.YAxis[i].Min, opt.YAxis[i].Max, opt.YAxis[i].LabelCount = p.least, p.most, p.marks
		}
		err = canvas.LineChart(opt)
	} else {
		opt := charts.NewBarChartOptionWithData(values)
		opt.Title.Text, opt.Theme, opt.ValueFormatter = p.title, palette, p.format
		opt.Legend.SeriesNames, opt.Legend.Show = []string{"others", "failed"}[:len(values)], charts.Ptr(p.failed != nil)
		opt.StackSeries = charts.Ptr(p.failed != nil)
		opt.CategoryAxis.Labels, opt.CategoryAxis.LabelCount = p.labels, min(labelsMost, len(p.labels))
		for i := range opt.ValueAxis {
			opt.ValueAxis[i].Min, opt.ValueAxis[i].Max = p.least, p.most
		}
		err = canvas.BarChart(opt)
	}
	if err != nil {
		return nil, err
	}
	return canvas.Bytes()
}

// plotDaysShown is the number of days that fit.
const plotDaysShown = 60

func (l *listAPI) plotDays(w http.ResponseWriter, r *http.Request) error {
	if err := l.feed.current(r.Context()); err != nil {
		return err
	}
	zone, err := zoneOf(r)
	if err != nil {
		return err
	}
	p := plot{title: "Tasks by day of their last run", least: charts.Ptr(0.0), failed: []float64{}, format: whole}
	for _, d := range lastDays(l.overview(zone).Days, plotDaysShown, time.Now().In(zone)) {
		label, err := dayLabel(d.Day)
		if err != nil {
			return err
		}
		p.labels = append(p.labels, label)
		p.values, p.failed = append(p.values, float64(d.Tasks)), append(p.failed, float64(d.Failed))
	}
	return writePlot(w, r, p)
}

// dayLabel shortens a date.
func dayLabel(day string) (string, error) {
	t, err := time.Parse(time.DateOnly, day)
	return t.Format("2 Jan"), err
}

func whole(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

// lastDays returns the n days up to now without leading empty days.
func lastDays(days []dayCount, n int, now time.Time) []dayCount {
	if len(days) == 0 {
		return nil
	}
	list := make([]dayCount, 0, n)
	y, m, d := now.Date()
	for i := n - 1; i >= 0; i-- {
		name := time.Date(y, m, d-i, 12, 0, 0, 0, now.Location()).Format(time.DateOnly)
		day := dayCount{Day: name}
		if at := slices.IndexFunc(days, func(d dayCount) bool { return d.Day == name }); at >= 0 {
			day = days[at]
		}
		if day.Tasks > 0 || len(list) > 0 {
			list = append(list, day)
		}
	}
	return list
}

func (l *listAPI) plotSuccess(w http.ResponseWriter, r *http.Request) error {
	if err := l.feed.current(r.Context()); err != nil {
		return err
	}
	zone, err := zoneOf(r)
	if err != nil {
		return err
	}
	p := plot{title: "Success rate by week of the last run", line: true, most: charts.Ptr(100.0), format: func(v float64) string { return whole(v) + " %" }}
	weeks := map[string]*dayCount{}
	var mondays []string
	for _, d := range l.overview(zone).Days {
		at, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			return err
		}
		monday := at.AddDate(0, 0, -(int(at.Weekday())+6)%7).Format(time.DateOnly)
		if weeks[monday] == nil {
			weeks[monday] = &dayCount{Day: monday}
			mondays = append(mondays, monday)
		}
		weeks[monday].Tasks += d.Tasks
		weeks[monday].Failed += d.Failed
	}
	for _, monday := range mondays {
		label, err := dayLabel(monday)
		if err != nil {
			return err
		}
		week := weeks[monday]
		p.labels = append(p.labels, label)
		p.values = append(p.values, 100*float64(week.Tasks-week.Failed)/float64(week.Tasks))
	}
	if len(p.values) > 0 { // multiples of ten, so that the scale has round numbers
		p.least = charts.Ptr(math.Min(90, 10*math.Floor(slices.Min(p.values)/10)))
		p.marks = int(100-*p.least)/10 + 1
	}
	return writePlot(w, r, p)
}

// plotRuns is the number of runs of a task that are plotted.
const plotRuns = 200

func (t *taskAPI) plotDuration(w http.ResponseWriter, r *http.Request) error {
	runs, err := t.runsOf(r.PathValue("id"), plotRuns)
	if err != nil {
		return err
	}
	p := plot{title: "Duration of each run", least: charts.Ptr(0.0), line: len(runs.Runs) > 40, narrow: true}
	for _, run := range slices.Backward(runs.Runs) {
		if run.Summary.Duration != nil && run.Check == 0 { // it has ended, and so has its job
			p.labels = append(p.labels, strconv.Itoa(run.Number))
			p.values = append(p.values, *run.Summary.Duration)
		}
	}
	unit, name := unitOf(p.values)
	for i := range p.values {
		p.values[i] /= unit
	}
	p.format = func(v float64) string { return strconv.FormatFloat(math.Round(100*v)/100, 'f', -1, 64) + name }
	return writePlot(w, r, p)
}

// unitOf returns a unit in seconds and its name, so that the longest duration is between
// one and some hundreds of them, for which the library finds a good scale.
func unitOf(durations []float64) (unit float64, name string) {
	switch longest := slices.Max(append([]float64{0}, durations...)); {
	case longest < 2e-3:
		return 1e-6, " µs"
	case longest < 2:
		return 1e-3, " ms"
	case longest < 120:
		return 1, " s"
	case longest < 7200:
		return 60, " min"
	default:
		return 3600, " h"
	}
}
