package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"qme/internal/chart"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		c      chart.Chart
		width  int
		height int
		want   string
	}{
		{"a line", chart.Chart{XName: "step", YName: "loss", Points: []chart.Point{{0, 0}, {1, 1}, {2, 2}, {3, 3}, {4, 4}, {math.NaN(), 1}}}, 40, 9, `
loss
4 ┤                                    ⠛
  │                           ⠰⠆
2 ┤                  ⢀⡀
  │                  ⠈⠁
  │         ⠶
0 ┤⣤
  └┬─────────────────┬─────────────────┬
   0                 2                 4
                                    step
`},
		{"a log axis", chart.Chart{XName: "lr", YName: "acc", Points: []chart.Point{{1e-4, 0.5}, {1e-3, 0.75}, {1e-2, 1}}}, 60, 8, `
acc
1.0 ┤                                                      ⠛
0.8 ┤
    │                           ⠰⠆
0.6 ┤
    │⣤
    └┬──────────────────────────┬──────────────────────────┬
     0.0001                   0.001                     0.01
                                                    lr (log)
`},
		{"one point", chart.Chart{XName: "x", YName: "y", Points: []chart.Point{{7, -3}}}, 34, 7, `
y
-2.9 ┤
-3.0 ┤              ⣀
     │              ⠉
-3.1 ┤
     └┬──────────────────────────┬
      6.65                    7.35
                                 x
`},
	} {
		if got := "\n" + c.c.Text(c.width, c.height); got != c.want {
			t.Errorf("%s:%s\nwant%s", c.name, got, c.want)
		}
	}
}

// TestExtremes has any points and names be drawn within their bounds.
func TestExtremes(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	odd := []float64{0, 1, -1, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1), 1e-300, 1e300, 1e15, 1e15 + 1, 0.1, 3}
	bad := "</text><script>alert(1)</script>\"'&\x00\x1b[31m\xff\ufffe\u202e]]>" + strings.Repeat("日", 1000)
	for i := range 3000 {
		c := chart.Chart{XName: []string{"lr", bad, ""}[rnd.IntN(3)], YName: []string{"acc", bad}[rnd.IntN(2)]}
		drawn := 0
		for range rnd.IntN(6) {
			p := chart.Point{X: odd[rnd.IntN(len(odd))], Y: odd[rnd.IntN(len(odd))]}
			if c.Points = append(c.Points, p); !math.IsNaN(p.X+p.Y) && !math.IsInf(p.X, 0) && !math.IsInf(p.Y, 0) {
				drawn++
			}
		}
		if (c.Drawn() > 0) != (drawn > 0) || c.Drawn() > len(c.Points) {
			t.Fatalf("%v: %d are drawn, want %d", c.Points, c.Drawn(), drawn)
		}
		width, height := rnd.IntN(120), rnd.IntN(40)
		text := c.Text(width, height)
		if (text == "") != (drawn == 0) || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\u202e") {
			t.Fatalf("%v: %q", c.Points, text)
		}
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if drawn > 0 && (len(lines) > max(height, 6)+1 || !strings.ContainsFunc(text, func(r rune) bool { return r > '\u2800' && r <= '\u28ff' })) {
			t.Fatalf("%v in %d x %d:\n%s", c.Points, width, height, text)
		}
		for _, line := range lines {
			if runewidth.StringWidth(line) > max(width, 24) {
				t.Fatalf("%v in %d x %d: %q is too long", c.Points, width, height, line)
			}
		}
		if i%10 == 0 {
			checkSVG(t, c, drawn)
		}
	}
}

func checkSVG(t *testing.T, c chart.Chart, drawn int) {
	t.Helper()
	b, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	elements := map[string]int{}
	for dec := xml.NewDecoder(bytes.NewReader(b)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.Points, err, b)
		}
		if begin, ok := token.(xml.StartElement); ok {
			elements[begin.Name.Local]++
		}
	}
	if elements["svg"] != 1 || elements["script"] != 0 || elements["circle"] != drawn || bytes.ContainsAny(b, "\x00\x1b\u202e") {
		t.Fatalf("%v: %v\n%s", c.Points, elements, b)
	}
}
