package chart

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// The least size of a drawing in a terminal, and the greatest, in columns and lines.
const (
	leastWidth, leastHeight = 24, 6
	mostWidth, mostHeight   = 400, 200
)

// A dot is one of eight in a character: two columns and four lines.
var dots = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

const noDots = '\u2800'

// fewPoints is up to how many points have four dots each: one alone is hard to see.
const fewPoints = 100

// Text draws the points with dots of Braille, in so many columns and lines, or in the least that is of use. Points that are nearer to each
// other than dots are one. It is empty if there is no point.
func (c Chart) Text(width, height int) string {
	points := c.finite()
	if len(points) == 0 {
		return ""
	}
	width, height = min(max(width, leastWidth), mostWidth), min(max(height, leastHeight), mostHeight)
	x, y := c.scales(points)
	lines := height - 3 // the name above, and below the axis with its numbers
	labels := map[int]string{}
	room := 0
	for _, t := range y.ticks(max(lines/3, 3)) {
		labels[lines-1-cell(y.at(t.value), lines)] = t.text
		room = max(room, len(t.text))
	}
	room = min(room, width-leastWidth/2)
	columns := width - room - 2
	grid := make([][]rune, lines)
	for i := range grid {
		grid[i] = []rune(strings.Repeat(string(noDots), columns))
	}
	size := 1
	if len(points) <= fewPoints {
		size = 2
	}
	for _, p := range points {
		top, left := min(4*lines-1-cell(y.at(p.Y), 4*lines), 4*lines-size), min(cell(x.at(p.X), 2*columns), 2*columns-size)
		for i := top; i < top+size; i++ {
			for j := left; j < left+size; j++ {
				grid[i/4][j/2] |= dots[i%4][j%2]
			}
		}
	}
	var b strings.Builder
	b.WriteString(cut(shown(c.YName), width) + "\n")
	for i, row := range grid {
		axis := "│"
		if labels[i] != "" {
			axis = "┤"
		}
		b.WriteString(strings.TrimRight(pad(labels[i], room)+" "+axis+strings.ReplaceAll(string(row), string(noDots), " "), " ") + "\n")
	}
	axis, numbers := x.below(columns)
	b.WriteString(strings.Repeat(" ", room+1) + "└" + axis + "\n")
	b.WriteString(c.under(numbers, room+2, width, x) + "\n")
	return b.String()
}

// scales returns both axes.
func (c Chart) scales(points []Point) (x, y scale) {
	xs, ys := make([]float64, len(points)), make([]float64, len(points))
	for i, p := range points {
		xs[i], ys[i] = p.X, p.Y
	}
	return scaleOf(xs, true), scaleOf(ys, false)
}

// cell returns in which of n cells a place from 0 to 1 is.
func cell(at float64, n int) int { return min(int(at*float64(n)), n-1) }

func cut(text string, width int) string { return runewidth.Truncate(text, width, "…") }

func pad(text string, width int) string {
	text = cut(text, width)
	return strings.Repeat(" ", width-runewidth.StringWidth(text)) + text
}

// columnsOfTick is how many columns a number below an axis has about.
const columnsOfTick = 12

// below returns the axis of x, and the numbers below it, in so many columns.
func (s scale) below(columns int) (axis, numbers string) {
	line, text := []rune(strings.Repeat("─", columns)), strings.Repeat(" ", columns)
	free := 0 // where the next number can begin
	for _, t := range s.ticks(max(columns/columnsOfTick, 3)) {
		at := cell(s.at(t.value), columns)
		line[at] = '┬'
		begin := max(min(at-len(t.text)/2, columns-len(t.text)), 0)
		if begin < free || begin+len(t.text) > columns {
			continue
		}
		text = text[:begin] + t.text + text[begin+len(t.text):]
		free = begin + len(t.text) + 1
	}
	return string(line), text
}

// under returns the numbers with the name of x, at the right of them if there is room, else in a line of its own.
func (c Chart) under(numbers string, before, width int, x scale) string {
	name := shown(c.XName)
	if x.log {
		name += " (log)"
	}
	numbers = strings.TrimRight(strings.Repeat(" ", before)+numbers, " ")
	if room := width - len(numbers); runewidth.StringWidth(name)+2 <= room {
		return numbers + pad(name, room)
	}
	return numbers + "\n" + pad(name, width)
}
