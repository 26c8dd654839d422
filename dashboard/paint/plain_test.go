package paint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestPlainLines draws runs of plain lines between whatever moves the cursor and sets colours: what
// comes of it is what comes of drawing all of it.
func TestPlainLines(t *testing.T) {
	t.Parallel()
	between := []string{
		"\x1b[31m", "\x1b[0m", "\x1b[m", "\x1b[3A", "\x1b[200A", "\x1b[2B", "\x1b[10C", "\x1b[2J", "\x1b[J", "\x1b[1J", "\x1b[K", "\x1b[H", "\x1b[5;7H", "\x1b[31M", "\x1b[7D",
		"\r", "50%\r", "\b\b", "\n\n", "\x1b[1", "é", "\xc3", "\xff", "\u202e", "\x00", strings.Repeat("w", 700), strings.Repeat("long ", 60) + "\n", "\x1b]0;t\x07", "\x1b7", "\x1b8",
	}
	plain := []string{"", "a", "  <b>&\"'/ \t", "\ttab", "grüße 世界", "x\r", strings.Repeat("y", screenColumns-1), strings.Repeat("z", screenColumns)}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		for range 1 + r.IntN(5) {
			for range r.IntN(4) {
				text.WriteString(between[r.IntN(len(between))])
			}
			for i := range r.IntN(3 * plainRun) {
				text.WriteString(plain[r.IntN(len(plain))] + []string{"", fmt.Sprint(i)}[r.IntN(2)] + "\n")
			}
			for range r.IntN(3) {
				text.WriteString(between[r.IntN(len(between))])
			}
		}
		whole := []byte(text.String())
		drawn := painted(func(p *Painter) { p.put(whole) })
		passed := painted(func(p *Painter) {
			for b := whole; len(b) > 0; { // in parts, as they come
				n := min(len(b), 1+r.IntN(20000))
				p.Draw(b[:n])
				b = b[n:]
			}
		})
		if !slices.Equal(drawn, passed) {
			for i := range min(len(drawn), len(passed)) {
				if drawn[i] != passed[i] {
					t.Fatalf("seed %d: line %d is %q, drawn %q", seed, i, passed[i], drawn[i])
				}
			}
			t.Fatalf("seed %d: there are %d lines, drawn %d", seed, len(passed), len(drawn))
		}
	}
}

func painted(draw func(*Painter)) []string {
	p := New("")
	draw(p)
	final, shown := p.Lines()
	return append(final, shown...)
}
