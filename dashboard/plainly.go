package dashboard

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"
)

const (
	// drawnTimes is how many times as long as what was written its lines may be, which is more
	// than the most colourful output comes to, and drawnLeast what they may be in any case.
	// Moves of the cursor and changes of colours could make thirty times as much.
	drawnTimes = 8
	drawnLeast = 1 << 20
)

// errTooMuch says that what is drawn is far longer than what was written.
var errTooMuch = errors.New("it becomes too much when it is drawn")

// A plainly makes lines of what is not drawn: all of it as text, with control characters as escapes.
type plainly struct {
	held []byte // the beginning of a character
	line []byte // what the last line has so far
	wide int    // how many characters that are
}

// take returns the lines that end in b.
func (p *plainly) take(b []byte) (lines []string) {
	var clean cleaner
	if len(p.held) > 0 {
		b, p.held = append(p.held, b...), nil
	}
	for len(b) > 0 {
		if !utf8.FullRune(b) {
			p.held = bytes.Clone(b)
			break
		}
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if r == '\n' || p.wide == screenColumns*screenLines {
			lines = append(lines, p.end())
		}
		if r == '\n' {
			continue
		}
		p.wide++
		if r == '\t' {
			p.line = append(p.line, '\t')
		} else {
			p.line = clean.text(p.line, r)
		}
	}
	return lines
}

// open returns the line that has not ended, if there is one.
func (p *plainly) open() []string {
	if p.wide == 0 {
		return nil
	}
	return []string{p.html()}
}

func (p *plainly) end() string {
	line := p.html()
	p.line, p.wide = p.line[:0], 0
	return line
}

func (p *plainly) html() string {
	text := strings.TrimSuffix(string(p.line), `\x0d`) // of a line that ends in CR LF
	return escapes.Replace(strings.TrimRight(text, " \t"))
}

// giveUp goes over to what is not drawn. What is on the screen stays, as far as it can be had.
func (p *painter) giveUp() {
	var shown []string
	_ = safely(func() error { // it may be what has gone wrong
		shown = p.onScreen()
		return nil
	})
	p.final = append(p.final, shown...)
	p.raw = &plainly{held: p.clean.pending()}
	p.screen = nil
}

// pending returns what has been taken, and of which nothing has been passed on yet.
func (c *cleaner) pending() []byte {
	if c.state == inEscape {
		return []byte{0x1b}
	}
	return bytes.Clone(c.held)
}
