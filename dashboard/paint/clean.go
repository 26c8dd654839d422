package paint

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A cleaner reduces output to text, colours and movements of the cursor, since the library shows
// sequences that it does not know. Their numbers are bounded, since the library adds them up as they
// are. Strings that set titles, links and pictures are removed. Characters that are invisible or
// reorder text become escapes, as package internal/safe writes them, and bytes that are not UTF-8
// become U+FFFD.
type cleaner struct {
	state cleanState
	held  []byte // the beginning of a character or of a sequence
	style string
	blank bool // this line has no character yet
}

type cleanState int

const (
	inText cleanState = iota
	inEscape
	inSelection // ESC ( and the like, up to one more character
	inSequence  // ESC [
	inString    // ESC ] and the like, up to BEL or ESC \ or the end of the line
	inStringEscape
)

// longestSequence bounds a control sequence, in bytes; a longer one is removed.
const longestSequence = 64

// append appends b to out without what it removes.
func (c *cleaner) append(out, b []byte) []byte {
	if c.state == inText && len(c.held) > 0 {
		b, c.held = append(c.held, b...), nil
	}
	for len(b) > 0 {
		if c.state != inText {
			out = c.control(out, b[0])
			b = b[1:]
			continue
		}
		if b[0] < utf8.RuneSelf {
			out = c.ascii(out, b[0])
			b = b[1:]
			continue
		}
		if !utf8.FullRune(b) {
			c.held = append(c.held, b...)
			return out
		}
		r, n := utf8.DecodeRune(b)
		out = c.text(out, r)
		b = b[n:]
	}
	return out
}

func (c *cleaner) ascii(out []byte, ch byte) []byte {
	switch ch {
	case 0x1b:
		c.state = inEscape
	case '\n':
		if c.blank {
			// The library has no line before something is written on it. This writes nothing.
			out = append(out, "\x1b_bk;t=0\x07"...)
		}
		c.blank = true
		out = append(out, ch)
	case '\r', '\b':
		out = append(out, ch)
	case '\t':
		c.blank = false
		out = append(out, ch)
	case 0x07, 0: // a bell; padding
	default:
		out = c.text(out, rune(ch))
	}
	return out
}

func (c *cleaner) text(out []byte, r rune) []byte {
	c.blank = false
	switch {
	case r == '\u200c', r == '\u200d': // joiners within letters and emoji
		return utf8.AppendRune(out, r)
	case r < 0x80 && unicode.IsControl(r):
		return append(out, `\x`+hexDigits(r, 2)...)
	case r > 0xffff && unicode.Is(unicode.C, r):
		return append(out, `\U`+hexDigits(r, 8)...)
	case unicode.Is(unicode.C, r), r == '\u2028', r == '\u2029':
		return append(out, `\u`+hexDigits(r, 4)...)
	}
	return utf8.AppendRune(out, r)
}

func hexDigits(r rune, width int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// control handles a byte of an escape sequence.
func (c *cleaner) control(out []byte, ch byte) []byte {
	switch c.state {
	case inEscape:
		c.state = inText
		switch ch {
		case '[':
			c.state, c.held = inSequence, append(c.held[:0], "\x1b["...)
		case ']', '_', 'P', '^', 'X':
			c.state = inString
		case 0x1b:
			c.state = inEscape
		case '\n', '\r':
			return c.ascii(out, ch)
		default:
			if ch >= 0x20 && ch <= 0x2f { // such as the choice of a character set
				c.state, c.held = inSelection, append(c.held[:0], 0x1b, ch)
			}
		}
		return out // the others are removed
	case inSelection:
		return c.selection(out, ch)
	case inSequence:
		return c.sequence(out, ch)
	case inString:
		switch ch {
		case 0x07, 0x18, 0x1a:
			c.state = inText
		case 0x1b:
			c.state = inStringEscape
		case '\n':
			c.state = inText
			return c.ascii(out, ch)
		}
	case inStringEscape:
		c.state = inText
		if ch != '\\' {
			c.state = inEscape
			return c.control(out, ch)
		}
	}
	return out
}

// selection handles a byte of an escape sequence with intermediate bytes (ECMA-35, section 13.2), which
// is removed.
func (c *cleaner) selection(out []byte, ch byte) []byte {
	if ch >= 0x20 && ch <= 0x2f && len(c.held) < longestSequence {
		c.held = append(c.held, ch)
		return out
	}
	c.state, c.held = inText, c.held[:0]
	if ch == '\n' || ch == '\r' || ch == 0x1b {
		return c.ascii(out, ch)
	}
	return out
}

// sequence handles a byte of a control sequence (ECMA-48, section 5.4).
func (c *cleaner) sequence(out []byte, ch byte) []byte {
	if ch < 0x20 || ch > 0x7e || len(c.held) >= longestSequence {
		c.state, c.held = inText, c.held[:0]
		if ch == '\n' || ch == '\r' || ch == 0x1b {
			return c.ascii(out, ch)
		}
		return out
	}
	c.held = append(c.held, ch)
	if ch < 0x40 {
		return out
	}
	params := string(c.held[2 : len(c.held)-1])
	c.state, c.held = inText, c.held[:0]
	if strings.Trim(params, "0123456789;") != "" {
		return out
	}
	if ch == 'm' {
		c.remember(params)
	}
	return appendSequence(out, params, ch)
}

// sequencesDrawn are the final bytes of the sequences that are drawn: they move the cursor (A to H,
// f), clear a part of the screen (J, K) and set colours (m). The others are removed, since the library
// ignores the case of letters and takes some of them for these.
const sequencesDrawn = "ABCDEFGHJKmf"

// largestParameter is larger than the screen and than any colour.
const largestParameter = "9999"

func appendSequence(out []byte, params string, final byte) []byte {
	if !strings.Contains(sequencesDrawn, string(final)) {
		return out
	}
	if final == 'f' {
		final = 'H' // a synonym
	}
	out = append(out, "\x1b["...)
	for i, p := range strings.Split(params, ";") {
		if i > 0 {
			out = append(out, ';')
		}
		if len(strings.TrimLeft(p, "0")) > len(largestParameter) {
			p = largestParameter
		}
		out = append(out, p...)
	}
	return append(out, final)
}

// remember adds the parameters of a sequence that sets colours to the style.
func (c *cleaner) remember(params string) {
	rest, reset := strings.CutPrefix(params, "0")
	switch {
	case params == "" || params == "0":
		c.style = ""
	case reset && strings.HasPrefix(rest, ";"):
		c.style = rest[1:]
	case c.style == "":
		c.style = params
	default:
		c.style += ";" + params
	}
	if len(c.style) > longestStyle {
		c.style = params
	}
}

// atLine reports whether the next byte begins a line.
func (c *cleaner) atLine() bool { return c.state == inText && len(c.held) == 0 && c.blank }

// pending returns the bytes that were given to append and neither passed on nor removed yet.
func (c *cleaner) pending() []byte {
	if c.state == inEscape {
		return []byte{0x1b}
	}
	return bytes.Clone(c.held)
}
