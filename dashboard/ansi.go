package dashboard

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	terminal "github.com/buildkite/terminal-to-html/v3"
)

// The size of the terminal on which output is drawn. What has left it at the top is
// final; a line that is longer than all of it is broken.
const (
	screenColumns = 250
	screenLines   = 100
)

// A painter draws output on a terminal and returns its lines as HTML: text, and span
// elements with the classes of colours. What cannot be drawn, or becomes far more than it was,
// is shown as it is, escaped (see plainly.go), from there to its end. It is for one goroutine.
type painter struct {
	screen *terminal.Screen
	clean  cleaner
	final  []string
	room   int      // how many bytes what is drawn may still come to until lines is asked
	raw    *plainly // nil while all is drawn
}

// newPainter begins with the colours that style stands for (see painter.style).
func newPainter(style string) (*painter, error) {
	p := &painter{clean: cleaner{style: style, blank: true}, room: drawnLeast}
	err := p.clear()
	if err == nil && style != "" {
		_, err = p.screen.Write([]byte("\x1b[" + style + "m"))
	}
	return p, err
}

// clear begins with an empty screen.
func (p *painter) clear() error {
	s, err := terminal.NewScreen(terminal.WithSize(screenColumns, screenLines), terminal.WithMaxSize(0, screenLines))
	if err != nil {
		return err
	}
	s.Timestamps = false
	s.ScrollOutFunc = func(line string) {
		p.final = append(p.final, htmlLine(line))
		p.room -= len(line)
	}
	p.screen = s
	return nil
}

// drawnAtOnce is how much is drawn before it is looked whether it has become too much.
const drawnAtOnce = 4 << 10

// draw draws on the screen. The error is errTooMuch when no more is to be drawn; drawn is how much
// of b was.
func (p *painter) draw(b []byte) (drawn int, err error) {
	for drawn < len(b) {
		part := b[drawn:min(drawn+drawnAtOnce, len(b))]
		p.put(part)
		if drawn += len(part); p.room < 0 {
			return drawn, errTooMuch
		}
	}
	return drawn, nil
}

// put draws all of b. The library's Write returns no errors.
func (p *painter) put(b []byte) { _, _ = p.screen.Write(p.clean.append(nil, b)) }

// lines returns what has left the screen since it was asked last, and what is on it.
func (p *painter) lines() (final, shown []string) {
	if p.raw == nil {
		err := safely(func() error {
			shown = p.onScreen()
			return nil
		})
		if err != nil {
			p.giveUp()
		}
	}
	if p.raw != nil {
		shown = p.raw.open()
	}
	final, p.final, p.room = p.final, nil, drawnLeast
	return final, shown
}

func (p *painter) onScreen() (shown []string) {
	text := strings.TrimSuffix(p.screen.AsHTMLWithTimestamps(false), "\n")
	if text == "" {
		return nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		shown = append(shown, htmlLine(line))
	}
	return shown
}

// unfinished returns how many bytes at the end are the beginning of a character or of a
// sequence, of which nothing is drawn yet.
func (p *painter) unfinished() int {
	if p.raw != nil {
		return len(p.raw.held)
	}
	return len(p.clean.pending())
}

// style returns the colours in force, as the parameters of an SGR sequence.
func (p *painter) style() string {
	if p.raw != nil {
		return ""
	}
	return p.clean.style
}

// htmlLine takes away what only serves to give an empty line its height.
func htmlLine(line string) string {
	line = strings.TrimSuffix(line, "\n")
	if line == "&nbsp;" {
		return ""
	}
	return line
}

// paint returns all lines of a text.
func paint(text []byte, style string) (lines []string, next string, err error) {
	p, err := newPainter(style)
	if err != nil {
		return nil, "", err
	}
	if _, err := p.Write(text); err != nil {
		return nil, "", err
	}
	final, shown := p.lines()
	return append(append([]string{}, final...), shown...), p.style(), nil
}

// longestStyle bounds how many parameters of colours are remembered.
const longestStyle = 256

// validStyle reports whether text may be a painter's style.
func validStyle(text string) bool {
	return len(text) <= longestStyle && strings.Trim(text, "0123456789;") == ""
}

// A cleaner leaves of output what is text, colours and movements of the cursor, of which no
// number is larger than a terminal: what the library does not know it would show, and what it knows
// it adds up as it comes. The strings with which programs set titles, and which some terminals take for links and
// pictures, go. Characters that are invisible or reorder text become escapes, as package
// internal/safe writes them, and bytes that are not UTF-8 become U+FFFD.
type cleaner struct {
	state cleanState
	held  []byte // the beginning of a character or of a sequence
	style string
	blank bool // nothing has been put on this line yet
}

type cleanState int

const (
	inText cleanState = iota
	inEscape
	inSelection // ESC ( and the like, of which one more character comes
	inSequence  // ESC [
	inString    // ESC ] and the like, up to BEL or ESC \ or the end of the line
	inStringEscape
)

// longestSequence bounds a control sequence; a longer one is none.
const longestSequence = 64

// append appends what is left of b to out.
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
			// The library has a line once something is written on it. This writes nothing.
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
	case r == '\u200c', r == '\u200d': // joiners, of which letters and pictures are made
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

// control takes a byte of an escape sequence.
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
		return out // of the others there is nothing to see
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

// selection takes a byte of an escape sequence with intermediate bytes (ECMA-35, section 13.2), of
// which there is nothing to see.
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

// sequence takes a byte of a control sequence (ECMA-48, section 5.4).
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

// The control sequences that are drawn: the cursor goes (A to H, f), a part of the screen is cleared
// (J, K), colours are set (m). The library takes letters of both cases for the same, and so
// others for these.
const sequencesDrawn = "ABCDEFGHJKmf"

// largestParameter is more than anything on a screen, and than any colour.
const largestParameter = "9999"

func appendSequence(out []byte, params string, final byte) []byte {
	if !strings.Contains(sequencesDrawn, string(final)) {
		return out
	}
	if final == 'f' {
		final = 'H' // the same
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

// remember notes the parameters of a sequence that sets colours.
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
