package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-analyze/charts"

	"qme/record"
)

// The size of a picture. A browser scales it.
const (
	plotWidth  = 800
	plotHeight = 260
)

// A plot is a picture in the making.
type plot struct {
	title  string
	labels []string
	values []float64
	failed []float64 // a second series over the first; nil: none
	format func(float64) string
	line   bool
}

// themeOf returns the colours that a request asks for.
func themeOf(r *http.Request) (string, error) {
	switch t := r.URL.Query().Get("theme"); t {
	case "", "light":
		return charts.ThemeLight, nil
	case "dark":
		return charts.ThemeDark, nil
	default:
		return "", badRequest(fmt.Sprintf("theme %q is neither light nor dark", t))
	}
}

// picture sends a plot as SVG.
func (s *Server) picture(w http.ResponseWriter, r *http.Request, p plot) error {
	theme, err := themeOf(r)
	if err != nil {
		return err
	}
	b, err := p.draw(theme)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", picturePolicy)
	if s.unchanged(w, r, tagOf(b)) {
		return nil
	}
	return s.answerBytes(w, r, http.StatusOK, "image/svg+xml", b)
}

// labelsMost is how many labels there is room for.
const labelsMost = 10

func (p plot) draw(theme string) ([]byte, error) {
	if len(p.values) == 0 {
		p.labels, p.values, p.title = []string{""}, []float64{0}, p.title+": nothing yet"
		if p.failed != nil {
			p.failed = []float64{0}
		}
	}
	palette := charts.GetTheme(theme).WithBackgroundColor(charts.ColorTransparent)
	canvas := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: plotWidth, Height: plotHeight, Theme: palette})
	values := [][]float64{p.values}
	names := []string{"runs"}
	if p.failed != nil {
		values, names = append(values, p.failed), append(names, "failed")
	}
	var err error
	if p.line {
		opt := charts.NewLineChartOptionWithData(values)
		opt.Title.Text, opt.Theme, opt.ValueFormatter = p.title, palette, p.format
		opt.Legend.Show = charts.Ptr(false)
		opt.XAxis.Labels, opt.XAxis.LabelCount = p.labels, min(labelsMost, len(p.labels))
		err = canvas.LineChart(opt)
	} else {
		opt := charts.NewBarChartOptionWithData(values)
		opt.Title.Text, opt.Theme, opt.ValueFormatter = p.title, palette, p.format
		opt.Legend.SeriesNames, opt.Legend.Show = names, charts.Ptr(p.failed != nil)
		opt.CategoryAxis.Labels, opt.CategoryAxis.LabelCount = p.labels, min(labelsMost, len(p.labels))
		err = canvas.BarChart(opt)
	}
	if err != nil {
		return nil, err
	}
	return canvas.Bytes()
}

// plotDaysShown is how many days a picture has room for.
const plotDaysShown = 60

func (s *Server) plotDays(w http.ResponseWriter, r *http.Request) error {
	if err := s.current(r.Context()); err != nil {
		return err
	}
	p := plot{title: "Runs per day", failed: []float64{}, format: whole}
	for _, d := range lastDays(s.overview().Days, plotDaysShown, time.Now()) {
		p.labels = append(p.labels, d.Day)
		p.values, p.failed = append(p.values, float64(d.Runs)), append(p.failed, float64(d.Failed))
	}
	return s.picture(w, r, p)
}

func whole(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

// lastDays returns the days up to now, also those without runs.
func lastDays(days []Day, n int, now time.Time) []Day {
	if len(days) == 0 {
		return nil
	}
	list := make([]Day, 0, n)
	y, m, d := now.Date()
	for i := n - 1; i >= 0; i-- {
		name := time.Date(y, m, d-i, 12, 0, 0, 0, now.Location()).Format(time.DateOnly)
		day := Day{Day: name}
		if at := slices.IndexFunc(days, func(d Day) bool { return d.Day == name }); at >= 0 {
			day = days[at]
		}
		if day.Runs > 0 || len(list) > 0 {
			list = append(list, day)
		}
	}
	return list
}

func (s *Server) plotSuccess(w http.ResponseWriter, r *http.Request) error {
	if err := s.current(r.Context()); err != nil {
		return err
	}
	p := plot{title: "Success rate by week", line: true, format: func(v float64) string { return whole(v) + " %" }}
	weeks := map[string]*Day{}
	for _, d := range s.overview().Days {
		at, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			return err
		}
		monday := at.AddDate(0, 0, -(int(at.Weekday())+6)%7).Format(time.DateOnly)
		if weeks[monday] == nil {
			weeks[monday] = &Day{Day: monday}
			p.labels = append(p.labels, monday)
		}
		weeks[monday].Runs += d.Runs
		weeks[monday].Failed += d.Failed
	}
	for _, monday := range p.labels {
		week := weeks[monday]
		p.values = append(p.values, 100*float64(week.Runs-week.Failed)/float64(week.Runs))
	}
	return s.picture(w, r, p)
}

// plotRuns is how many runs of a task are plotted.
const plotRuns = 200

func (s *Server) plotDuration(w http.ResponseWriter, r *http.Request) error {
	runs, err := s.runsOf(r.PathValue("id"), plotRuns)
	if err != nil {
		return err
	}
	p := plot{title: "Duration of each run", format: seconds, line: len(runs.Runs) > 40}
	for _, run := range slices.Backward(runs.Runs) {
		if run.Summary.Status != record.Running {
			p.labels = append(p.labels, strconv.Itoa(run.Number))
			p.values = append(p.values, *run.Summary.Duration)
		}
	}
	return s.picture(w, r, p)
}

func seconds(v float64) string {
	return time.Duration(v * float64(time.Second)).Round(time.Millisecond).String()
}
