package cli

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// The kinds of columns of a grid.
const (
	gridID       = "id"
	gridParam    = "param"
	gridMetric   = "metric"
	gridNumber   = "n"
	gridOutcome  = "outcome"
	gridDuration = "duration"
)

// A gridColumn is a column of a comparison.
type gridColumn struct {
	kind, name string
	heading    string // the name, with the kind before it where two columns would have the same
	same       bool   // all rows have the same, which is said once
	asked      bool   // it is shown all the same
}

// A gridCell is what a row has in a column.
type gridCell struct {
	text  string             // for reading; "" for nothing
	value record.MetricValue // as it was written, and for sorting; of a duration in seconds
	step  record.MetricValue // of a metric
	has   bool
	best  bool
	take  string           // of a metric: how all of its values were taken, if that is known
	mean  *tasks.TableMean // with --over
}

// A gridRow is a task, or several of them that differ only in some parameters.
type gridRow struct {
	cells []gridCell
	tasks []tasks.TableRow
}

// A grid is a table that is ready to be sorted and printed.
type grid struct {
	columns []gridColumn
	rows    []gridRow
	over    bool
}

// paramNames and metricNames return the names in a table, in the order in which they come first.
func paramNames(t *tasks.Table) []string {
	return namesOfRows(t, func(r tasks.TableRow) (names []string) {
		for _, p := range r.Params {
			names = append(names, p.Name)
		}
		return names
	})
}

func metricNames(t *tasks.Table) []string {
	return namesOfRows(t, func(r tasks.TableRow) (names []string) {
		for _, m := range r.Metrics {
			names = append(names, m.Name)
		}
		return names
	})
}

func namesOfRows(t *tasks.Table, of func(tasks.TableRow) []string) (names []string) {
	seen := map[string]bool{}
	for _, r := range t.Rows {
		for _, name := range of(r) {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// newGrid returns the rows of a table with all columns.
func newGrid(t *tasks.Table, o tableOptions) *grid {
	g := &grid{over: len(o.over) > 0}
	first := gridColumn{kind: gridID, name: gridID, asked: true}
	if g.over {
		first = gridColumn{kind: gridNumber, name: gridNumber, asked: true}
	} else {
		g.columns = append(g.columns, first)
	}
	g.columns = append(g.columns, labels(t, o)...)
	for _, name := range paramNames(t) {
		if !slices.Contains(o.over, name) {
			g.columns = append(g.columns, gridColumn{kind: gridParam, name: name})
		}
	}
	if g.over {
		g.columns = append(g.columns, first)
	}
	for _, s := range o.metrics.Specs { // they are shown also if no run has them
		g.columns = append(g.columns, gridColumn{kind: gridMetric, name: s.Name, asked: true})
	}
	for _, name := range metricNames(t) {
		if !slices.ContainsFunc(g.columns, func(c gridColumn) bool { return c.kind == gridMetric && c.name == name }) {
			g.columns = append(g.columns, gridColumn{kind: gridMetric, name: name})
		}
	}
	g.columns = append(g.columns, gridColumn{kind: gridOutcome, name: gridOutcome}, gridColumn{kind: gridDuration, name: gridDuration, asked: true})
	g.head()
	if g.over {
		for _, s := range t.Over(o.over) {
			g.rows = append(g.rows, g.summary(t, s))
		}
	} else {
		for _, r := range t.Rows {
			g.rows = append(g.rows, g.row(r))
		}
	}
	g.findSame()
	return g
}

// head gives the columns headings that differ.
func (g *grid) head() {
	times := map[string]int{}
	for _, c := range g.columns {
		if c.kind != gridLabel {
			times[c.name]++
		}
	}
	for i, c := range g.columns {
		if g.columns[i].heading = c.name; times[c.name] > 1 && (c.kind == gridParam || c.kind == gridMetric) || times[c.name] > 0 && c.kind == gridLabel {
			g.columns[i].heading = c.kind + "." + c.name
		}
	}
}

// row returns the row of a task.
func (g *grid) row(r tasks.TableRow) gridRow {
	row := gridRow{tasks: []tasks.TableRow{r}}
	for _, c := range g.columns {
		var cell gridCell
		switch c.kind {
		case gridID:
			cell = gridCell{text: r.Short, value: record.MetricValue(r.Record.UID), has: true}
		case gridParam:
			value, has := r.Params.Get(c.name)
			cell = gridCell{text: safe.Line(value), value: record.MetricValue(value), has: has}
		case gridMetric:
			m, has := r.Metrics.Get(c.name)
			cell = gridCell{text: metricText(m.Value), value: m.Value, step: m.Step, has: has, take: m.Take}
		case gridLabel:
			cell = labelCell(c.name, row.tasks)
		case gridOutcome:
			word := r.Record.Outcome().String()
			cell = gridCell{text: word, value: record.MetricValue(word), has: true}
		case gridDuration:
			if took, ok := r.Record.Took(now); ok {
				cell = durationCell(took)
			}
		}
		row.cells = append(row.cells, cell)
	}
	return row
}

func durationCell(took time.Duration) gridCell {
	return gridCell{text: shortDuration(took), value: record.MetricValue(strconv.FormatFloat(took.Round(time.Microsecond).Seconds(), 'f', -1, 64)), has: true}
}

// summary returns the row of tasks that differ only in some parameters.
func (g *grid) summary(t *tasks.Table, s tasks.TableSummary) gridRow {
	var row gridRow
	var took time.Duration
	outcomes, well := map[record.Outcome]int{}, 0
	for _, i := range s.Rows {
		r := t.Rows[i].Record
		row.tasks = append(row.tasks, t.Rows[i])
		if outcomes[r.Outcome()]++; r.Outcome() != record.OK {
			continue
		}
		if d, ok := r.Took(now); ok {
			well++
			took += d
		}
	}
	for _, c := range g.columns {
		var cell gridCell
		switch c.kind {
		case gridNumber:
			n := strconv.Itoa(len(s.Rows))
			cell = gridCell{text: n, value: record.MetricValue(n), has: true}
		case gridParam:
			value, has := s.Params.Get(c.name)
			cell = gridCell{text: safe.Line(value), value: record.MetricValue(value), has: has}
		case gridMetric:
			if m, has := s.Mean(c.name); has {
				cell = gridCell{text: meanText(m, len(s.Rows)), value: numberText(m.Mean), has: true, mean: &m, take: g.takenOf(c.name, row.tasks).one()}
			}
		case gridLabel:
			cell = labelCell(c.name, row.tasks)
		case gridOutcome:
			word := outcomesText(outcomes)
			cell = gridCell{text: word, value: record.MetricValue(word), has: true}
		case gridDuration:
			if well > 0 {
				cell = durationCell(took / time.Duration(well))
			}
		}
		row.cells = append(row.cells, cell)
	}
	return row
}

// outcomesText says how several runs have gone.
func outcomesText(outcomes map[record.Outcome]int) string {
	if len(outcomes) == 1 {
		for o := range outcomes {
			return o.String()
		}
	}
	var texts []string
	for i, name := range record.OutcomeNames() {
		if n := outcomes[record.Outcome(i)]; n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(texts, ", ")
}

func numberText(n float64) record.MetricValue {
	return record.MetricValue(strconv.FormatFloat(n, 'g', -1, 64))
}

// longestMetricText is from how many characters on a number is rounded for reading.
const longestMetricText = 10

// metricText returns a value for reading: as it was written, unless that is long.
func metricText(v record.MetricValue) string {
	if n, ok := v.Number(); ok && len(v) > longestMetricText {
		return strconv.FormatFloat(n, 'g', 6, 64)
	}
	return safe.Shorten(safe.Line(string(v)), longestShown)
}

// meanText returns a mean with its standard deviation, which has two digits, and how many runs have a number if these are not all.
func meanText(m tasks.TableMean, all int) string {
	text := strconv.FormatFloat(m.Mean, 'g', 6, 64)
	switch size := math.Abs(m.Mean); {
	case math.IsNaN(m.SD):
	case m.SD > 0 && !math.IsInf(m.SD, 0) && (size == 0 || size >= 1e-4 && size < 1e6):
		digits := min(max(1-int(math.Floor(math.Log10(m.SD))), 0), 12)
		text = strconv.FormatFloat(m.Mean, 'f', digits, 64) + " ± " + strconv.FormatFloat(m.SD, 'f', digits, 64)
	default:
		text += " ± " + strconv.FormatFloat(m.SD, 'g', 2, 64)
	}
	if m.N < all {
		text += fmt.Sprintf(" (%d)", m.N)
	}
	return text
}

// findSame finds the columns in which all rows are the same. Of a single row nothing is.
func (g *grid) findSame() {
	for i := range g.columns {
		c := &g.columns[i]
		c.same = len(g.rows) > 1 && !slices.ContainsFunc(g.rows, func(r gridRow) bool {
			a, b := r.cells[i], g.rows[0].cells[i]
			return a.has != b.has || a.value != b.value || a.text != b.text
		})
		if c.kind == gridOutcome { // how all has gone well is not worth a column
			c.same = !slices.ContainsFunc(g.rows, func(r gridRow) bool { return r.cells[i].value != record.MetricValue(record.OK.String()) })
		}
	}
}

// find returns the place of a column by its name, its heading, or KIND.NAME.
func (g *grid) find(name string) (int, error) {
	var headings []string
	for i, c := range g.columns {
		if name == c.heading || name == c.kind+"."+c.name {
			return i, nil
		}
		headings = append(headings, c.heading)
	}
	for i, c := range g.columns { // of two with the name the metric
		if name == c.name && c.kind == gridMetric {
			return i, nil
		}
	}
	for _, label := range gridLabels {
		if !slices.Contains(headings, label) {
			headings = append(headings, label)
		}
	}
	return 0, noColumn("column", name, headings)
}

// sort sorts the rows by some columns, and marks the best values of the first metric among them.
func (g *grid) sort(names []string) error {
	type key struct {
		column     int
		descending bool
	}
	var keys []key
	for _, name := range names {
		column, descending := strings.CutPrefix(name, "-")
		i, err := g.find(column)
		if err != nil {
			return err
		}
		g.columns[i].asked = true
		keys = append(keys, key{i, descending})
	}
	slices.SortStableFunc(g.rows, func(a, b gridRow) int {
		for _, k := range keys {
			if c := compareGridCells(a.cells[k.column], b.cells[k.column], k.descending); c != 0 {
				return c
			}
		}
		return 0
	})
	for _, k := range keys {
		if g.columns[k.column].kind == gridMetric {
			g.mark(k.column, k.descending)
			break
		}
	}
	return nil
}

// The classes of values, in the order in which they come in any direction.
const (
	aNumber = iota
	aNaN
	aText
	nothing
)

func classOf(c gridCell) (class int, n float64) {
	n, ok := c.value.Number()
	switch {
	case !c.has:
		return nothing, 0
	case !ok:
		return aText, 0
	case math.IsNaN(n):
		return aNaN, 0
	}
	return aNumber, n
}

func compareGridCells(a, b gridCell, descending bool) int {
	classA, x := classOf(a)
	classB, y := classOf(b)
	if classA != classB {
		return cmp.Compare(classA, classB)
	}
	c := 0
	switch classA {
	case aNumber:
		c = cmp.Compare(x, y)
	case aText:
		c = strings.Compare(string(a.value), string(b.value))
	}
	if descending {
		return -c
	}
	return c
}

// mark marks the best values of a column: the greatest ones, or the smallest ones. What has failed, or has not ended, is not the best.
func (g *grid) mark(column int, greatest bool) {
	best := math.NaN()
	for _, r := range g.rows {
		if n, ok := r.result(column); ok && (math.IsNaN(best) || greatest && n > best || !greatest && n < best) {
			best = n
		}
	}
	for _, r := range g.rows {
		n, ok := r.result(column)
		r.cells[column].best = ok && n == best
	}
}

// result returns the number that a row has in a column. ok is false if there is none, or no run of the row has ended well.
func (r gridRow) result(column int) (n float64, ok bool) {
	class, n := classOf(r.cells[column])
	well := slices.ContainsFunc(r.tasks, func(t tasks.TableRow) bool { return t.Record.Outcome() == record.OK })
	return n, class == aNumber && well
}

// choose keeps the columns with some names, in their order; of none all.
func (g *grid) choose(names []string) error {
	if len(names) == 0 {
		return nil
	}
	var places []int
	for _, name := range names {
		i, err := g.find(name)
		if err != nil {
			return err
		}
		places = append(places, i)
	}
	columns := make([]gridColumn, len(places))
	for n, i := range places {
		columns[n] = g.columns[i]
		columns[n].asked = true
	}
	g.columns = columns
	for r, row := range g.rows {
		cells := make([]gridCell, len(places))
		for n, i := range places {
			cells[n] = row.cells[i]
		}
		g.rows[r].cells = cells
	}
	return nil
}

// shown returns the places of the columns that are shown, and a text of what all rows have in common.
func (g *grid) shown() (places []int, same string) {
	var texts []string
	for i, c := range g.columns {
		switch {
		case !c.same || c.asked:
			places = append(places, i)
		case (c.kind == gridParam || c.kind == gridMetric) && g.rows[0].cells[i].has:
			texts = append(texts, c.heading+"="+g.rows[0].cells[i].text)
		}
	}
	return places, strings.Join(texts, ", ")
}
