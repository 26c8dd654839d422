package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"qme/internal/safe"
)

const (
	// widthRows is the number of rows that determine the widths of the columns.
	widthRows = 500
	// maxCell is the maximal width of a column when nothing is cut.
	maxCell = 250
	// minCell is the minimal width of a column on a narrow terminal.
	minCell = 8
	// waitBytes limits the size of the rows kept until printing starts.
	waitBytes = 16 << 20
)

// timeColumns are the columns of the mirror with times, which are in UTC.
var timeColumns = []string{"started", "finished", "created", "updated"}

// headOf returns the heading of a column. That of a time gets "(UTC)" if a value has the
// format of the mirror.
func headOf(name string, i int, rows [][]string) string {
	if !slices.Contains(timeColumns, name) {
		return name
	}
	for _, cells := range rows {
		if isMirrorTime(cells[i]) {
			return name + " (UTC)"
		}
	}
	return name
}

// isMirrorTime reports whether a value has the time format of the mirror, rather than
// being computed by the query.
func isMirrorTime(s string) bool {
	const like = "0000-00-00 00:00:00.000000"
	if len(s) != len(like) {
		return false
	}
	for i := range like {
		if digit := s[i] >= '0' && s[i] <= '9'; digit != (like[i] == '0') || !digit && s[i] != like[i] {
			return false
		}
	}
	return true
}

// shownCell returns a value for display. It uses at most limit bytes of a long value; 0
// means all.
func shownCell(ctx context.Context, v any, limit int) (string, error) {
	text, ok := cell(v)
	if !ok {
		return "NULL", nil
	}
	if limit > 0 && len(text) > limit {
		return safe.Line(safe.Shorten(text, limit)), nil
	}
	return escaped(ctx, text, safe.Line)
}

// cellWidth returns the width of a value, maxCell if it is far too long for a column.
func cellWidth(c string) int {
	if len(c) > pieceSize {
		return maxCell
	}
	return runewidth.StringWidth(c)
}

// tableRows prints aligned columns. It buffers only the first rows of a long result.
type tableRows struct {
	ctx    context.Context
	w      *bufio.Writer
	width  int // of the terminal, to which rows are cut; 0: not cut
	head   []string
	first  [][]string
	bytes  int    // of first
	number []bool // the column has only numbers so far
	widths []int
}

func (p *tableRows) columns(names []string) error {
	for _, n := range names {
		p.head = append(p.head, safe.Line(n))
		p.number = append(p.number, true)
	}
	return nil
}

func (p *tableRows) row(values []any) error {
	cells := make([]string, len(values))
	limit := 0
	if p.width > 0 {
		limit = pieceSize / 4 // more than fits on a screen
	}
	for i, v := range values {
		switch v.(type) {
		case nil, int64, float64, json.Number:
		default:
			p.number[i] = p.number[i] && p.widths != nil
		}
		var err error
		if cells[i], err = shownCell(p.ctx, v, limit); err != nil {
			return err
		}
		p.bytes += len(cells[i])
	}
	if p.widths != nil {
		return p.print(cells)
	}
	if p.first = append(p.first, cells); len(p.first) < widthRows && p.bytes < waitBytes {
		return nil
	}
	return p.start()
}

// start computes the widths and prints the buffered rows.
func (p *tableRows) start() error {
	for i, name := range p.head {
		p.head[i] = headOf(name, i, p.first)
	}
	p.widths = make([]int, len(p.head))
	for _, cells := range append(p.first, p.head) {
		for i, c := range cells {
			p.widths[i] = max(p.widths[i], min(cellWidth(c), maxCell))
		}
	}
	if p.width > 0 {
		p.fit()
	}
	if err := p.print(p.head); err != nil {
		return err
	}
	for _, cells := range p.first {
		if err := p.print(cells); err != nil {
			return err
		}
	}
	return nil
}

// fit narrows the widest columns until a row fits the terminal or no column is wider than
// minCell.
func (p *tableRows) fit() {
	total := 2 * (len(p.widths) - 1)
	for _, w := range p.widths {
		total += w
	}
	for ; total > p.width; total-- {
		widest := 0
		for i, w := range p.widths {
			if w > p.widths[widest] {
				widest = i
			}
		}
		if len(p.widths) == 0 || p.widths[widest] <= minCell {
			return
		}
		p.widths[widest]--
	}
}

func (p *tableRows) print(cells []string) error {
	var line strings.Builder
	for i, c := range cells {
		if i > 0 {
			line.WriteString("  ")
		}
		if p.width > 0 {
			c = runewidth.Truncate(c, p.widths[i], "…")
		}
		if len(c) > pieceSize {
			line.WriteString(c) // wider than its column
			continue
		}
		if p.number[i] {
			c = runewidth.FillLeft(c, p.widths[i])
		} else {
			c = runewidth.FillRight(c, p.widths[i])
		}
		line.WriteString(c)
	}
	_, err := p.w.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	return outputError(err)
}

func (p *tableRows) end() error {
	if p.widths != nil {
		return nil
	}
	return p.start()
}

// lineRows prints each value on a line of its own, after the name of its column.
type lineRows struct {
	ctx   context.Context
	w     *bufio.Writer
	color palette
	names []string
	width int
	rows  int
}

func (p *lineRows) columns(names []string) error {
	for _, n := range names {
		n = safe.Line(n)
		p.names = append(p.names, n)
		p.width = max(p.width, runewidth.StringWidth(n))
	}
	if slices.ContainsFunc(names, func(n string) bool { return slices.Contains(timeColumns, n) }) {
		p.width = max(p.width, len("finished (UTC)"))
	}
	return nil
}

func (p *lineRows) row(values []any) error {
	p.rows++
	var out strings.Builder
	out.WriteString(p.color.bold(fmt.Sprintf("row %d", p.rows)) + "\n")
	for i, v := range values {
		text, err := shownCell(p.ctx, v, 0)
		if err != nil {
			return err
		}
		name := headOf(p.names[i], 0, [][]string{{text}})
		out.WriteString(strings.TrimRight(runewidth.FillRight(name, p.width)+"  "+text, " ") + "\n")
	}
	_, err := p.w.WriteString(out.String())
	return outputError(err)
}

func (p *lineRows) end() error { return nil }
