package dashboard

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most output is plain lines, and long output above all. The lines of a run of them which is longer
// than the screen leave it as they came, so they need no screen. The first screenful is drawn, since
// it may be drawn over what is there, and so is the last, over which more may be drawn.

// plainRun is from how many plain lines on they are not drawn.
const plainRun = 3 * screenLines

// A plainLines is a run of plain lines within a text.
type plainLines struct {
	start, end int   // all of it
	ends       []int // behind each line
}

// findPlain returns the first run of at least plainRun plain lines in b, which has to begin with
// a line. Without one it is empty and lies at the end.
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

// plainLine returns how long the first line of b is with its end, and whether it is text that is
// shown as it stands and fits on a line of the screen.
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

// Write draws more output. It keeps nothing of b.
func (p *painter) Write(b []byte) (int, error) {
	size := len(b)
	p.room += drawnTimes * size
	for len(b) > 0 && p.raw == nil {
		before, drawn := len(p.final), 0
		err := safely(func() (err error) {
			drawn, err = p.some(b)
			return err
		})
		switch {
		case errors.Is(err, errTooMuch):
			p.giveUp()
		case err != nil: // what of this part was drawn nobody knows
			p.final, drawn = p.final[:before], 0
			p.giveUp()
		}
		b = b[drawn:]
	}
	if p.raw != nil {
		p.final = append(p.final, p.raw.take(b)...)
	}
	return size, nil
}

// some draws up to the end of the first run of plain lines, and returns how much that is.
func (p *painter) some(b []byte) (int, error) {
	run := findPlain(b, p.clean.atLine())
	if n, err := p.draw(b[:run.start]); err != nil {
		return n, err
	}
	if run.end > run.start && p.clean.atLine() && p.clean.style == "" {
		return run.end, p.pass(b, run)
	}
	n, err := p.draw(b[run.start:run.end])
	return run.start + n, err
}

// pass takes a run of plain lines, of which it draws the first and the last screenful.
func (p *painter) pass(b []byte, run plainLines) error {
	first, last := run.ends[screenLines-1], run.ends[len(run.ends)-screenLines-1]
	p.put(b[run.start:first])
	p.final = append(p.final, p.onScreen()...)
	text := strings.TrimSuffix(string(b[first:last]), "\n")
	for line := range strings.SplitSeq(escapes.Replace(text), "\n") {
		p.final = append(p.final, strings.TrimRight(strings.TrimRight(line, "\r"), " \t"))
	}
	if err := p.clear(); err != nil {
		return err
	}
	p.put(b[last:run.end])
	return nil
}

// escapes are those of the library.
var escapes = strings.NewReplacer("&", "&amp;", "'", "&#39;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "/", "&#47;")

// atLine reports whether what comes next begins a line.
func (c *cleaner) atLine() bool { return c.state == inText && len(c.held) == 0 && c.blank }
