package paint

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// An escaper makes lines of output without drawing it: as text, with control characters as escapes.
type escaper struct {
	held []byte // the beginning of a character
	line []byte // the last line so far
	wide int    // its length in characters
}

// take adds b, and returns the lines that end in it.
func (e *escaper) take(b []byte) (lines []string) {
	var clean cleaner
	if len(e.held) > 0 {
		b, e.held = append(e.held, b...), nil
	}
	for len(b) > 0 {
		if !utf8.FullRune(b) {
			e.held = bytes.Clone(b)
			break
		}
		r, n := utf8.DecodeRune(b)
		b = b[n:]
		if r == '\n' || e.wide == screenColumns*screenLines {
			lines = append(lines, e.end())
		}
		if r == '\n' {
			continue
		}
		e.wide++
		if r == '\t' {
			e.line = append(e.line, '\t')
		} else {
			e.line = clean.text(e.line, r)
		}
	}
	return lines
}

// open returns the line that has not ended, if there is one.
func (e *escaper) open() []string {
	if e.wide == 0 {
		return nil
	}
	return []string{e.html()}
}

func (e *escaper) end() string {
	line := e.html()
	e.line, e.wide = e.line[:0], 0
	return line
}

func (e *escaper) html() string {
	text := strings.TrimSuffix(string(e.line), `\x0d`) // of a line that ends in CR LF
	return htmlEscapes.Replace(strings.TrimRight(text, " \t"))
}

// htmlEscapes escapes text as the library does.
var htmlEscapes = strings.NewReplacer("&", "&amp;", "'", "&#39;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "/", "&#47;")
