package chart

import (
	"github.com/go-analyze/charts"
)

// The measures of a picture, in pixels.
const (
	svgWidth, svgHeight = 720, 440
	svgLeft, svgRight   = 90, 30
	svgTop, svgBottom   = 50, 60
	svgDot              = 3
	svgFont             = 10.0
	svgTicks            = 8
)

// SVG draws the points as a picture. Without a point it has the axes' names alone.
func (c Chart) SVG() ([]byte, error) {
	theme := charts.GetTheme(charts.ThemeLight)
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: svgWidth, Height: svgHeight, Theme: theme})
	p.FilledRect(0, 0, svgWidth, svgHeight, charts.ColorWhite, charts.ColorWhite, 0)
	font := charts.FontStyle{FontSize: svgFont, FontColor: charts.ColorBlack}
	write := func(text string, x, y int, right bool) {
		if width := p.MeasureText(text, 0, font).Width(); right {
			x -= width
		} else {
			x -= width / 2
		}
		p.Text(text, max(x, 0), y, 0, font)
	}
	right, bottom := svgWidth-svgRight, svgHeight-svgBottom
	grey := charts.ColorFromHex("#818b98")
	points := c.finite()
	xName := shown(c.XName)
	if len(points) > 0 {
		x, y := c.scales(points)
		if x.log {
			xName += " (log)"
		}
		across := func(v float64) int { return svgLeft + int(x.at(v)*float64(right-svgLeft)+0.5) }
		up := func(v float64) int { return bottom - int(y.at(v)*float64(bottom-svgTop)+0.5) }
		for _, t := range x.ticks(svgTicks) {
			p.LineStroke([]charts.Point{{X: across(t.value), Y: bottom}, {X: across(t.value), Y: bottom + 5}}, grey, 1)
			write(t.text, across(t.value), bottom+20, false)
		}
		for _, t := range y.ticks(svgTicks) {
			p.LineStroke([]charts.Point{{X: svgLeft - 5, Y: up(t.value)}, {X: svgLeft, Y: up(t.value)}}, grey, 1)
			write(t.text, svgLeft-10, up(t.value)+4, true)
		}
		places := make([]charts.Point, len(points))
		for i, one := range points {
			places[i] = charts.Point{X: across(one.X), Y: up(one.Y)}
		}
		blue := charts.ColorFromHex("#3451c6")
		p.Dots(places, blue.WithAlpha(160), blue, 1, svgDot)
	}
	p.LineStroke([]charts.Point{{X: svgLeft, Y: svgTop}, {X: svgLeft, Y: bottom}, {X: right, Y: bottom}}, grey, 1)
	write(xName, (svgLeft+right)/2, svgHeight-15, false)
	p.Text(shown(c.YName), 15, svgTop-20, 0, font)
	return p.Bytes()
}
