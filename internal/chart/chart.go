// Package chart draws points between two axes, as text for a terminal or as SVG.
package chart

import (
	"math"
	"slices"
	"strconv"

	"github.com/mattn/go-runewidth"

	"qme/internal/safe"
)

// A Point is one of those that are drawn.
type Point struct{ X, Y float64 }

// A Chart is what is drawn. Any text may be in its names, of which what does not fit is cut.
type Chart struct {
	XName, YName string
	Points       []Point
}

// Drawn returns how many points can be drawn: those whose coordinates are numbers, and finite.
func (c Chart) Drawn() int { return len(c.finite()) }

func (c Chart) finite() []Point {
	return slices.DeleteFunc(slices.Clone(c.Points), func(p Point) bool { return math.IsNaN(p.X-p.X) || math.IsNaN(p.Y-p.Y) })
}

// longestName is how many columns a name has at most.
const longestName = 60

func shown(name string) string { return runewidth.Truncate(safe.Line(name), longestName, "…") }

// spanOfLog is how many times as great as the least value the greatest one is where the axis of x is logarithmic.
const spanOfLog = 100

// A scale is an axis.
type scale struct {
	least, most float64
	log         bool
}

// scaleOf returns an axis for some values, of which there is at least one.
func scaleOf(values []float64, mayLog bool) scale {
	s := scale{least: slices.Min(values), most: slices.Max(values)}
	s.log = mayLog && s.least > 0 && s.most/s.least >= spanOfLog
	if s.least == s.most {
		room := math.Abs(s.least) / 20
		if room == 0 {
			room = 1
		}
		s.least, s.most = max(s.least-room, -math.MaxFloat64), min(s.most+room, math.MaxFloat64)
	}
	return s
}

// at returns where a value is, from 0 to 1.
func (s scale) at(v float64) float64 {
	a, b := s.least, s.most
	switch {
	case s.log:
		a, b, v = math.Log(a), math.Log(b), math.Log(v)
	case math.IsInf(b-a, 0):
		a, b, v = a/2, b/2, v/2
	}
	return min(max((v-a)/(b-a), 0), 1)
}

// A tick is a value that an axis names.
type tick struct {
	value float64
	text  string
}

// ticks returns some values of an axis, about as many as most says and no more, in ascending order.
func (s scale) ticks(most int) []tick {
	if s.log {
		return s.powers(most)
	}
	span, ends := s.most-s.least, []tick{{s.least, short(s.least)}, {s.most, short(s.most)}}
	step := math.Pow(10, math.Floor(math.Log10(span/float64(max(most, 1)))))
	if math.IsInf(span, 0) || step == 0 || s.least+step == s.least || s.most-step == s.most {
		return ends
	}
	for _, times := range []float64{1, 2, 5, 10} {
		if math.Floor(span/(times*step))+1 <= float64(most) {
			step *= times
			break
		}
	}
	var list []tick
	first := math.Ceil(s.least / step)
	for i := 0.0; i <= float64(most) && (first+i)*step <= s.most+step*1e-9; i++ {
		v := (first + i) * step
		list = append(list, tick{v, rounded(v, step)})
	}
	if len(list) < 2 {
		return ends
	}
	return list
}

// powers returns powers of ten.
func (s scale) powers(most int) []tick {
	first, last := int(math.Ceil(math.Log10(s.least)-1e-9)), int(math.Floor(math.Log10(s.most)+1e-9))
	each := 1
	for (last-first)/each+1 > max(most, 1) {
		each++
	}
	var list []tick
	for n := first; n <= last; n += each {
		v := math.Pow(10, float64(n))
		list = append(list, tick{v, short(v)})
	}
	return list
}

// rounded writes a multiple of a step without the digits that computing has added.
func rounded(v, step float64) string {
	digits := -int(math.Floor(math.Log10(step) + 1e-9))
	if digits > 6 || math.Abs(v) >= 1e7 {
		return short(v)
	}
	return strconv.FormatFloat(v+0, 'f', max(digits, 0), 64) // no -0
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
