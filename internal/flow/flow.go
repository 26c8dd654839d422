// Package flow draws what has come from what, boxes in columns with lines between them, as SVG.
package flow

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"qme/internal/safe"
)

// A Graph is what is drawn. Any text may be in it.
type Graph struct {
	Title string
	Boxes []Box
	Lines []Line
	// ToLast says that each box is placed next to those that have come from it, otherwise next to those
	// from which it has come.
	ToLast bool
}

// A Box is drawn with two lines of text, of which what does not fit is cut.
type Box struct {
	Head, Foot string
	Title      string // is shown when somebody points at the box
	Round      bool   // has round ends
	Root       bool   // is drawn stronger
}

// A Line leads from one box to another, by their places in Graph.Boxes.
type Line struct {
	From, To int
	Title    string // is shown when somebody points at it
	Dashed   bool
}

// The measures of a drawing, in pixels, and of the texts in a box, in columns.
const (
	boxWidth, boxHeight = 250, 44
	gapWidth, gapHeight = 70, 16
	margin              = 20
	columns             = 33
)

const style = `
svg { background: var(--back); --back: #ffffff; --text: #1f2328; --faint: #59636e; --line: #818b98; --file: #f6f8fa; --run: #ddf4ff; --rim: #d1d9e0; --root: #0969da }
@media (prefers-color-scheme: dark) { svg { --back: #0d1117; --text: #f0f6fc; --faint: #9198a1; --line: #656c76; --file: #151b23; --run: #121d2f; --rim: #3d444d; --root: #4493f8 } }
rect { fill: var(--file); stroke: var(--rim) }
rect.run { fill: var(--run) }
rect.root { stroke: var(--root); stroke-width: 2 }
text { font: 12px ui-monospace, monospace; fill: var(--text) }
text.foot { font-size: 11px; fill: var(--faint) }
path { fill: none; stroke: var(--line); stroke-width: 1.5 }
path.dashed { stroke-dasharray: 5 4 }
marker path { fill: var(--line); stroke: none }
`

// Draw writes the graph as one SVG document. Its size grows with the number of boxes and lines.
func Draw(w io.Writer, g Graph) error {
	at := place(g)
	b := bufio.NewWriter(w)
	width, height := extent(at)
	fmt.Fprintf(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n", width, height, width, height)
	fmt.Fprintf(b, "<title>%s</title>\n<style>%s</style>\n", text(g.Title), style)
	fmt.Fprintln(b, `<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8Z"/></marker></defs>`)
	for _, l := range g.Lines {
		l.draw(b, at[l.From], at[l.To])
	}
	for i, one := range g.Boxes {
		one.draw(b, at[i])
	}
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

// A point is where a box begins.
type point struct{ x, y int }

func (l Line) draw(b *bufio.Writer, from, to point) {
	class := ""
	if l.Dashed {
		class = ` class="dashed"`
	}
	x1, y1, x2, y2 := from.x+boxWidth, from.y+boxHeight/2, to.x, to.y+boxHeight/2
	bend, dip := max(gapWidth/2, (x2-x1)/2), 0
	if x2-x1 > gapWidth { // it passes below the boxes between
		bend, dip = gapWidth, boxHeight+gapHeight
	}
	fmt.Fprintf(b, `<path%s marker-end="url(#end)" d="M%d %dC%d %d %d %d %d %d"><title>%s</title></path>`+"\n", class, x1, y1, x1+bend, y1+dip, x2-bend, y2+dip, x2, y2, text(l.Title))
}

func (o Box) draw(b *bufio.Writer, at point) {
	var classes []string
	radius := 4
	if o.Round {
		classes, radius = append(classes, "run"), boxHeight/2
	}
	if o.Root {
		classes = append(classes, "root")
	}
	fmt.Fprintf(b, `<g><title>%s</title><rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="%d"/>`, text(o.Title), strings.Join(classes, " "), at.x, at.y, boxWidth, boxHeight, radius)
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, at.x+boxHeight/4, at.y+18, short(o.Head))
	fmt.Fprintf(b, `<text class="foot" x="%d" y="%d">%s</text></g>`+"\n", at.x+boxHeight/4, at.y+34, short(o.Foot))
}

// text makes any text one of a document.
func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(safe.Line(s))) // a strings.Builder takes everything
	return b.String()
}

func short(s string) string { return text(runewidth.Truncate(safe.Line(s), columns, "…")) }

// place finds a column and a place in it for each box.
func place(g Graph) []point {
	column := columnsOf(g)
	last := 0
	for _, c := range column {
		last = max(last, c)
	}
	in := make([][]int, last+1)
	for i, c := range column {
		in[c] = append(in[c], i)
	}
	row := rows(g, in, column)
	tallest := 0
	for _, list := range in {
		tallest = max(tallest, len(list))
	}
	at := make([]point, len(column))
	for i, c := range column {
		x := c
		if g.ToLast {
			x = last - c
		}
		above := (tallest - len(in[c])) * (boxHeight + gapHeight) / 2
		at[i] = point{margin + x*(boxWidth+gapWidth), margin + above + row[i]*(boxHeight+gapHeight)}
	}
	return at
}

// columnsOf returns how many lines a box is away from the last (ToLast) or the first ones, by the longest
// way. Of lines in a circle some lead back.
func columnsOf(g Graph) []int {
	column, left := make([]int, len(g.Boxes)), make([]int, len(g.Boxes))
	next := make([][]int, len(g.Boxes))
	for _, l := range g.Lines {
		from, to := l.From, l.To
		if g.ToLast {
			from, to = to, from
		}
		next[from] = append(next[from], to)
		left[to]++
	}
	done := make([]bool, len(g.Boxes))
	var ready []int
	for i, n := range left {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	for start := 0; ; {
		for len(ready) > 0 {
			i := ready[0]
			ready, done[i] = ready[1:], true
			for _, j := range next[i] {
				if left[j]--; !done[j] {
					column[j] = max(column[j], column[i]+1)
					if left[j] == 0 {
						ready = append(ready, j)
					}
				}
			}
		}
		for start < len(done) && done[start] { // the others are in circles
			start++
		}
		if start == len(done) {
			return column
		}
		ready, left[start] = append(ready, start), -1
	}
}

// rows orders the boxes of each column by where those are to which lines lead, and returns the place of each.
func rows(g Graph, in [][]int, column []int) []int {
	row := make([]int, len(column))
	near := make([][]int, len(column))
	for _, l := range g.Lines {
		near[l.From], near[l.To] = append(near[l.From], l.To), append(near[l.To], l.From)
	}
	number := func(list []int) {
		for n, i := range list {
			row[i] = n
		}
	}
	for _, list := range in {
		number(list)
	}
	sweep := func(c, beside int) {
		middle := map[int]float64{}
		for _, i := range in[c] {
			sum, n := 0, 0
			for _, j := range near[i] {
				if column[j] == beside {
					sum, n = sum+row[j], n+1
				}
			}
			middle[i] = float64(row[i])
			if n > 0 {
				middle[i] = float64(sum) / float64(n)
			}
		}
		slices.SortStableFunc(in[c], func(a, b int) int { return cmp.Compare(middle[a], middle[b]) })
		number(in[c])
	}
	for range 2 {
		for c := 1; c < len(in); c++ {
			sweep(c, c-1)
		}
		for c := len(in) - 2; c >= 0; c-- {
			sweep(c, c+1)
		}
	}
	return row
}

func extent(at []point) (width, height int) {
	for _, p := range at {
		width, height = max(width, p.x), max(height, p.y)
	}
	return width + boxWidth + margin, height + boxHeight + gapHeight + margin
}
