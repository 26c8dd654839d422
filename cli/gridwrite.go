package cli

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"qme/internal/safe"
	"qme/record"
)

// missing stands where a row has nothing.
const missing = "-"

func (c gridCell) shown() string {
	if !c.has {
		return missing
	}
	return c.text
}

// isRight reports whether a column has numbers, or nothing else than those.
func (g *grid) isRight(column int) bool {
	switch g.columns[column].kind {
	case gridID, gridOutcome, gridLabel:
		return false
	case gridDuration, gridNumber:
		return true
	}
	return !slices.ContainsFunc(g.rows, func(r gridRow) bool {
		class, _ := classOf(r.cells[column])
		return class == aText
	})
}

// mostCell is the greatest width of a cell on a terminal.
const mostCell = 40

// A textColumn is a column as it is printed.
type textColumn struct {
	place, width int
	right        bool
	marked       bool // a blank or a mark follows each value
}

// writeText prints the grid for reading. On a terminal of a width it leaves out columns that have no room, and returns their
// headings.
func (g *grid) writeText(w *bufio.Writer, width int, color palette) (noRoom []string, err error) {
	places, same := g.shown()
	var columns []textColumn
	for _, i := range places {
		c := textColumn{place: i, right: g.isRight(i), width: runewidth.StringWidth(g.columns[i].heading)}
		for _, r := range g.rows {
			c.width = max(c.width, runewidth.StringWidth(r.cells[i].shown()))
			c.marked = c.marked || r.cells[i].best && !color.on
		}
		if width > 0 {
			c.width = min(c.width, mostCell)
		}
		columns = append(columns, c)
	}
	if width > 0 {
		columns, noRoom = g.fit(columns, width)
	}
	head := func(c textColumn) (string, bool) { return g.columns[c.place].heading, false }
	writeTextRow(w, columns, head, color, true)
	for _, r := range g.rows {
		cell := func(c textColumn) (string, bool) { return r.cells[c.place].shown(), r.cells[c.place].best }
		writeTextRow(w, columns, cell, color, false)
	}
	if same != "" {
		_, _ = w.WriteString("\nSame in all: " + safe.Line(same) + "\n") // the writer keeps its error
	}
	return noRoom, w.Flush()
}

// fit leaves out the last columns that were not asked for until the others have room.
func (g *grid) fit(columns []textColumn, width int) (kept []textColumn, noRoom []string) {
	used := -columnGap
	for _, c := range columns {
		used += c.fullWidth() + columnGap
	}
	for i := len(columns) - 1; i > 0 && used > width; i-- {
		c := columns[i]
		if g.columns[c.place].asked && g.columns[c.place].kind != gridDuration || g.columns[c.place].kind == gridOutcome {
			continue
		}
		used -= c.fullWidth() + columnGap
		columns = slices.Delete(columns, i, i+1)
		noRoom = append(noRoom, g.columns[c.place].heading)
	}
	slices.Reverse(noRoom)
	return columns, noRoom
}

func (c textColumn) fullWidth() int {
	if c.marked {
		return c.width + 1
	}
	return c.width
}

// writeTextRow prints a line. Errors are kept by the writer.
func writeTextRow(w *bufio.Writer, columns []textColumn, cell func(textColumn) (string, bool), color palette, head bool) {
	var line strings.Builder
	for i, c := range columns {
		text, best := cell(c)
		text = cutTo(text, c.width)
		blanks := strings.Repeat(" ", max(c.width-runewidth.StringWidth(text), 0))
		if i > 0 {
			line.WriteString(strings.Repeat(" ", columnGap))
		}
		if head || best {
			text = color.bold(text)
		}
		switch {
		case best && c.marked:
			text += "*"
		case c.marked:
			text += " "
		}
		if c.right {
			line.WriteString(blanks + text)
		} else {
			line.WriteString(text + blanks)
		}
	}
	_, _ = w.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// writeMarkdown prints the grid as a table in Markdown.
func (g *grid) writeMarkdown(w *bufio.Writer) error {
	places, same := g.shown()
	var heads, lines []string
	for _, i := range places {
		line := "---"
		if g.isRight(i) {
			line = "---:"
		}
		heads, lines = append(heads, markdownText(g.columns[i].heading)), append(lines, line)
	}
	rows := [][]string{heads, lines}
	for _, r := range g.rows {
		var cells []string
		for _, i := range places {
			text := markdownText(r.cells[i].shown())
			if r.cells[i].best {
				text = "**" + text + "**"
			}
			cells = append(cells, text)
		}
		rows = append(rows, cells)
	}
	for _, cells := range rows {
		_, _ = w.WriteString("| " + strings.Join(cells, " | ") + " |\n") // the writer keeps its error
	}
	if same != "" {
		_, _ = w.WriteString("\nSame in all: " + markdownText(same) + "\n")
	}
	return w.Flush()
}

// markdownText escapes what has a meaning in Markdown.
func markdownText(text string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", `\<`, "`", "\\`", "*", `\*`, "[", `\[`).Replace(safe.Line(text))
}

// writeCSV prints all parameters and metrics, as they were written, with full ids.
func (g *grid) writeCSV(w *bufio.Writer) error {
	table := csv.NewWriter(w)
	table.UseCRLF = true
	var heads []string
	for _, c := range g.columns {
		heads = append(heads, safe.Line(c.heading))
		if g.over && c.kind == gridMetric {
			heads = append(heads, c.heading+"_sd", c.heading+"_n")
		}
	}
	if err := table.Write(heads); err != nil {
		return err
	}
	for _, r := range g.rows {
		var cells []string
		for i, c := range g.columns {
			cell := r.cells[i]
			cells = append(cells, safe.Line(string(cell.value)))
			if g.over && c.kind == gridMetric {
				sd, n := "", ""
				if cell.mean != nil {
					sd, n = string(numberText(cell.mean.SD)), string(numberText(float64(cell.mean.N)))
				}
				cells = append(cells, sd, n)
			}
		}
		if err := table.Write(cells); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// A gridMetricJSON is a metric of a row.
type gridMetricJSON struct {
	Value record.MetricValue `json:"value"`
	Step  record.MetricValue `json:"step,omitempty"`
	Take  string             `json:"take,omitempty"`
	Best  bool               `json:"best,omitempty"`
	N     int                `json:"n,omitempty"`
	SD    record.MetricValue `json:"sd,omitempty"`
}

// A gridRowJSON is a row of the JSON of a table.
type gridRowJSON struct {
	ID         record.ID                 `json:"id,omitempty"`
	IDs        []record.ID               `json:"ids,omitempty"`
	Run        int                       `json:"run,omitempty"`
	N          int                       `json:"n,omitempty"`
	Outcome    string                    `json:"outcome"`
	ReturnCode *int                      `json:"returncode,omitempty"`
	Duration   record.MetricValue        `json:"duration,omitempty"`
	Params     record.Params             `json:"params"`
	Metrics    map[string]gridMetricJSON `json:"metrics"`

	// Those of gridLabels.
	Name    string   `json:"name,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	Message string   `json:"message,omitempty"`
	Group   string   `json:"group,omitempty"`
	Command string   `json:"command,omitempty"`
	Host    string   `json:"host,omitempty"`
	Started string   `json:"started,omitempty"`
}

// writeJSON prints one object, with all columns of each row.
func (g *grid) writeJSON(w *bufio.Writer, group string) error {
	rows := []gridRowJSON{}
	for _, r := range g.rows {
		rows = append(rows, g.rowJSON(r))
	}
	b, err := json.Marshal(struct {
		Group string        `json:"group,omitempty"`
		Rows  []gridRowJSON `json:"rows"`
	}{group, rows})
	if err != nil {
		return err
	}
	_, err = w.Write(append(safe.JSON(b), '\n'))
	return err
}

func (g *grid) rowJSON(r gridRow) gridRowJSON {
	row := gridRowJSON{Params: record.Params{}, Metrics: map[string]gridMetricJSON{}}
	first := r.tasks[0].Record
	if !g.over {
		row.ID, row.Run, row.ReturnCode = first.UID, first.Data.Run, first.Code()
	} else {
		row.N = len(r.tasks)
		for _, t := range r.tasks {
			row.IDs = append(row.IDs, t.Record.UID)
		}
	}
	for i, c := range g.columns {
		cell := r.cells[i]
		switch {
		case !cell.has:
		case c.kind == gridOutcome:
			row.Outcome = string(cell.value)
		case c.kind == gridLabel && cell.value != "":
			row.putLabel(c.name, string(cell.value), first)
		case c.kind == gridDuration:
			row.Duration = cell.value
		case c.kind == gridParam:
			row.Params = append(row.Params, record.Param{Name: c.name, Value: string(cell.value)})
		case c.kind == gridMetric:
			m := gridMetricJSON{Value: cell.value, Step: cell.step, Take: cell.take, Best: cell.best}
			if cell.mean != nil {
				m.N, m.SD = cell.mean.N, numberText(cell.mean.SD)
			}
			row.Metrics[c.name] = m
		}
	}
	return row
}
