package paint

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most output, and above all long output, is plain lines. In a run of plain lines that is longer than
// the screen, most lines leave the screen as they came, so they need not be drawn. The first screenful
// is drawn, since it may replace what is on the screen, and so is the last, which later output may
// change.

// plainRun is the number of plain lines from which on they are not drawn.
const plainRun = 3 * screenLines

// A plainLines is a run of plain lines within a text.
type plainLines struct {
	start, end int
	ends       []int // the offset after each line
}

// findPlain returns the first run of at least plainRun plain lines in b, or an empty one at its end. The
// run begins at the beginning of a line; atLine says that b does.
func findPlain(b []byte, atLine bool) (run plainLines) {
	at := 0
	if !atLine {
		at = bytes.IndexByte(b, '\n') + 1
		if at == 0 {
			return plainLines{start: len(b), end: len(b)}
		}
	}
	for run.start, run.end = at, at; at < len(b); {
		n, plain := plainLine(b[at:])
		at += n
		switch {
		case plain:
			run.end, run.ends = at, append(run.ends, at)
			continue
		case len(run.ends) >= plainRun:
			return run
		}
		run.start, run.end, run.ends = at, at, run.ends[:0]
	}
	if len(run.ends) < plainRun {
		return plainLines{start: len(b), end: len(b)}
	}
	return run
}

// plainLine returns the length of the first line of b with its end, and whether it is text that needs
// no escapes and fits on a line of the screen.
func plainLine(b []byte) (n int, plain bool) {
	n = bytes.IndexByte(b, '\n') + 1
	if n == 0 {
		return len(b), false
	}
	line := bytes.TrimRight(b[:n-1], "\r")
	columns := 0
	for i := 0; i < len(line); columns++ {
		c := line[i]
		switch {
		case c >= ' ' && c < 0x7f || c == '\t':
			i++
			continue
		case c < utf8.RuneSelf:
			return n, false
		}
		r, size := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && size == 1 || unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029' {
			return n, false
		}
		i += size
	}
	return n, columns < screenColumns
}

// drawSome draws up to the end of the first run of plain lines, and returns the number of bytes.
func (p *Painter) drawSome(b []byte) (int, error) {
	run := findPlain(b, p.clean.atLine())
	if n, err := p.draw(b[:run.start]); err != nil {
		return n, err
	}
	if run.end > run.start && p.clean.atLine() && p.clean.style == "" {
		p.pass(b, run)
		return run.end, nil
	}
	n, err := p.draw(b[run.start:run.end])
	return run.start + n, err
}

// pass adds a run of plain lines. It draws the first and the last screenful.
func (p *Painter) pass(b []byte, run plainLines) {
	first, last := run.ends[screenLines-1], run.ends[len(run.ends)-screenLines-1]
	p.put(b[run.start:first])
	p.final = append(p.final, p.onScreen()...)
	text := strings.TrimSuffix(string(b[first:last]), "\n")
	for line := range strings.SplitSeq(htmlEscapes.Replace(text), "\n") {
		p.final = append(p.final, strings.TrimRight(strings.TrimRight(line, "\r"), " \t"))
	}
	p.clear()
	p.put(b[last:run.end])
}
