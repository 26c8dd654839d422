package cli

import (
	"bufio"
	"strings"

	"qme/internal/chart"
)

// The size of a plot where there is no terminal, and its greatest height on one.
const (
	plotWidth  = 80
	plotHeight = 20
)

// stepName and rowName are what a metric is drawn against alone.
const (
	stepName = "step"
	rowName  = "row"
)

// plot returns the chart of the columns that --plot names: Y,X, or Y alone, which is drawn against the step at which it was or, if not all
// values have one, against the number of the row. Rows that have no number in one of them are left out.
func (g *grid) plot(names []string) (c chart.Chart, leftOut int, err error) {
	var places [2]int
	for i, name := range names {
		if places[i], err = g.find(name); err != nil {
			return c, 0, err
		}
	}
	c.YName, c.XName = g.columns[places[0]].heading, rowName
	at := func(i int, _ gridCell) (float64, bool) { return float64(i + 1), true }
	switch {
	case len(names) == 2:
		c.XName = g.columns[places[1]].heading
		at = func(i int, _ gridCell) (float64, bool) { return g.rows[i].cells[places[1]].value.Number() }
	case g.hasSteps(places[0]):
		c.XName = stepName
		at = func(_ int, y gridCell) (float64, bool) { return y.step.Number() }
	}
	for i, r := range g.rows {
		y, isY := r.cells[places[0]].value.Number()
		x, isX := at(i, r.cells[places[0]])
		if isX && isY {
			c.Points = append(c.Points, chart.Point{X: x, Y: y})
		}
	}
	return c, len(g.rows) - c.Drawn(), nil
}

// hasSteps reports whether all values of a column that are numbers have a step.
func (g *grid) hasSteps(column int) bool {
	some := false
	for _, r := range g.rows {
		if _, is := r.cells[column].value.Number(); !is {
			continue
		}
		if _, is := r.cells[column].step.Number(); !is {
			return false
		}
		some = true
	}
	return some
}

// readPlot reads --plot and --svg.
func (o *tableOptions) readPlot(set bool, formats int) error {
	o.plot = split(o.plotText)
	switch {
	case set && (len(o.plot) == 0 || len(o.plot) > 2 || strings.HasPrefix(o.plotText, ",")):
		return tableUsage("--plot takes one column or two, as in acc,lr: what is up and what is across, not %s", quoted(o.plotText))
	case o.svg && !set:
		return tableUsage("--svg needs --plot")
	case set && (formats > 0 || o.columnsText != ""):
		return tableUsage("--plot goes with none of --csv, --json, --markdown and --columns")
	}
	return nil
}

// printPlot prints the chart of a table, and says what is not in it.
func (cmd *tableCommand) printPlot(g *grid, o tableOptions) error {
	c, leftOut, err := g.plot(o.plot)
	if err != nil {
		return err
	}
	if c.Drawn() == 0 {
		cmd.term.note("No row has numbers in these columns: %s.", strings.Join(o.plot, ", "))
		return nil
	}
	width := cmd.term.width()
	if width == 0 {
		width = plotWidth
	}
	err = cmd.term.listing(true, func(w *bufio.Writer) error {
		text := []byte(c.Text(width, plotHeight))
		if o.svg {
			if text, err = c.SVG(); err != nil {
				return err
			}
		}
		_, err := w.Write(text)
		return err
	})
	if leftOut > 0 {
		cmd.term.note("Left out, since they have no numbers there: %s.", count(leftOut, "row"))
	}
	return err
}
