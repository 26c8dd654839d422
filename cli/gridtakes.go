package cli

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/record/metric"
	"qme/tasks"
)

// A metricTakes says how the values of one metric were taken from what the runs have printed or written.
type metricTakes struct {
	takes   map[string]int           // how many runs by record.Metric.Take, "" for those of files
	first   map[string]record.Metric // the first one of each
	sources map[string]bool
}

// takenOf returns how a metric of some runs was taken. Of those that are summed up only the ones that count do.
func (g *grid) takenOf(name string, rows []tasks.TableRow) metricTakes {
	t := metricTakes{map[string]int{}, map[string]record.Metric{}, map[string]bool{}}
	for _, r := range rows {
		m, has := r.Metrics.Get(name)
		if !has || g.over && r.Record.Outcome() != record.OK {
			continue
		}
		if t.takes[m.Take]++; t.takes[m.Take] == 1 {
			t.first[m.Take] = m
		}
		source := "pattern " + m.Pattern
		if m.File != "" {
			source = "file " + filepath.Base(m.File) // each run may have a folder of its own
		}
		t.sources[source] = true
	}
	return t
}

// one returns how all were taken, "" if that differs or is not known.
func (t metricTakes) one() string {
	for take := range t.takes {
		if len(t.takes) == 1 {
			return take
		}
	}
	return ""
}

// String says what differs; "" if nothing does.
func (t metricTakes) String() string {
	var takes []string
	for take := range t.takes {
		if take != "" {
			takes = append(takes, take)
		}
	}
	switch {
	case len(takes) < 2 && len(t.sources) > 1:
		return "comes from different patterns or files; --metric has one for all."
	case len(takes) < 2:
		return ""
	}
	slices.SortFunc(takes, func(a, b string) int { return cmp.Or(t.takes[b]-t.takes[a], strings.Compare(a, b)) })
	var texts []string
	for i, take := range takes {
		of := fmt.Sprint(t.takes[take])
		if i == 0 {
			of = count(t.takes[take], "run")
		}
		texts = append(texts, fmt.Sprintf("the %s of %s", take, of))
	}
	if n := t.takes[""]; n > 0 {
		texts = append(texts, fmt.Sprintf("from a file of %d", n))
	}
	last := len(texts) - 1
	return "is " + strings.Join(texts[:last], ", ") + " and " + texts[last] + "; " + wayToOne(t.first[takes[0]]) + " has one for all."
}

// wayToOne returns the option with which all runs have a metric as one has it.
func wayToOne(m record.Metric) string {
	if s, ok, err := metric.Again(m); ok && err == nil && len(s.String()) <= maxSuggested && safe.Line(s.String()) == s.String() {
		return executor.Quote([]string{"--metric", s.String()})
	}
	return "--metric"
}

// takes says which metrics of some columns, unless they were asked for, were taken in different ways.
func (g *grid) takes(places []int, asked []metric.Spec) (notes []string) {
	var all []tasks.TableRow
	for _, r := range g.rows {
		all = append(all, r.tasks...)
	}
	for _, i := range places {
		name := g.columns[i].name
		if g.columns[i].kind != gridMetric || slices.ContainsFunc(asked, func(s metric.Spec) bool { return s.Name == name }) {
			continue
		}
		if text := g.takenOf(name, all).String(); text != "" {
			notes = append(notes, name+" "+text)
		}
	}
	return notes
}
