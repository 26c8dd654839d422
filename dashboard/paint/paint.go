// Package paint draws the output of commands as HTML. Its input may be anything that a command can
// print; its output is text and span elements with the classes of colours, and nothing else.
package paint

import (
	"errors"
	"html"
	"strings"

	terminal "github.com/buildkite/terminal-to-html/v3"

	"qme/internal/lazy"
	"qme/internal/panics"
)

const (
	// The size of the terminal on which output is drawn. Lines that have left it at the top are final;
	// a line that is longer than all of it is broken.
	screenColumns = 250
	screenLines   = 100

	// drawnTimes bounds the length of lines, as a multiple of the length of their input, above what the
	// most colourful output comes to; drawnLeast is allowed in any case. Moves of the cursor and changes
	// of colours could make thirty times as much.
	drawnTimes = 8
	drawnLeast = 1 << 20
	// drawnAtOnce is the number of bytes between two checks of that bound.
	drawnAtOnce = 4 << 10

	// longestStyle bounds the length of a style.
	longestStyle = 256
)

// errTooMuch says that the lines are far longer than their input.
var errTooMuch = errors.New("it becomes too much when it is drawn")

// A Painter draws output on a terminal and returns the lines of this. From where output cannot be
// drawn, or becomes far longer than it was, it is escaped instead, to its end. A Painter is for one
// goroutine.
type Painter struct {
	screen  *terminal.Screen
	clean   cleaner
	final   []string
	room    int      // bytes by which lines may still grow before the next call of Lines
	escaper *escaper // nil while output is drawn
}

// New returns a painter that begins with a style: "", or that of another one.
func New(style string) *Painter {
	p := &Painter{clean: cleaner{style: style, blank: true}, room: drawnLeast}
	p.clear()
	if style != "" {
		_, _ = p.screen.Write([]byte("\x1b[" + style + "m")) // it never fails
	}
	return p
}

// Lines returns all lines of a text. They are not nil.
func Lines(text []byte) []string {
	p := New("")
	p.Draw(text)
	final, shown := p.Lines()
	return append(append([]string{}, final...), shown...)
}

// ValidStyle reports whether text may be the style of a painter.
func ValidStyle(text string) bool {
	return len(text) <= longestStyle && strings.Trim(text, "0123456789;") == ""
}

var tags = lazy.Regexp(`<[^>]*>`)

// PlainText returns the text of a painter's line, without blanks around it.
func PlainText(line string) string {
	return strings.TrimSpace(html.UnescapeString(tags().ReplaceAllString(line, "")))
}

// Draw draws more output. It keeps nothing of b.
func (p *Painter) Draw(b []byte) {
	p.room += drawnTimes * len(b)
	for len(b) > 0 && p.escaper == nil {
		before, drawn := len(p.final), 0
		err := panics.Catch(func() (err error) {
			drawn, err = p.drawSome(b)
			return err
		})
		switch {
		case errors.Is(err, errTooMuch):
			p.giveUp()
		case err != nil: // how much of this part was drawn is unknown
			p.final, drawn = p.final[:before], 0
			p.giveUp()
		}
		b = b[drawn:]
	}
	if p.escaper != nil {
		p.final = append(p.final, p.escaper.take(b)...)
	}
}

// Lines returns the lines that have become final since its last call, and those on the screen, which
// more output may change.
func (p *Painter) Lines() (final, shown []string) {
	if p.escaper == nil {
		err := panics.Catch(func() error {
			shown = p.onScreen()
			return nil
		})
		if err != nil {
			p.giveUp()
		}
	}
	if p.escaper != nil {
		shown = p.escaper.open()
	}
	final, p.final, p.room = p.final, nil, drawnLeast
	return final, shown
}

// Unfinished returns the number of bytes at the end of the output that are the beginning of a character or
// of a sequence. Nothing is drawn of them yet.
func (p *Painter) Unfinished() int {
	if p.escaper != nil {
		return len(p.escaper.held)
	}
	return len(p.clean.pending())
}

// Style returns the colours in force, as the parameters of an SGR sequence.
func (p *Painter) Style() string {
	if p.escaper != nil {
		return ""
	}
	return p.clean.style
}

// GaveUp reports whether output is escaped instead of drawn.
func (p *Painter) GaveUp() bool { return p.escaper != nil }

// clear begins with an empty screen.
func (p *Painter) clear() {
	s, err := terminal.NewScreen(terminal.WithSize(screenColumns, screenLines), terminal.WithMaxSize(0, screenLines))
	if err != nil { // the size is wrong
		panic(err)
	}
	s.Timestamps = false
	s.ScrollOutFunc = func(line string) {
		p.final = append(p.final, htmlLine(line))
		p.room -= len(line)
	}
	p.screen = s
}

// draw draws on the screen. It stops with errTooMuch where no more is to be drawn; drawn is the
// number of bytes that were.
func (p *Painter) draw(b []byte) (drawn int, err error) {
	for drawn < len(b) {
		part := b[drawn:min(drawn+drawnAtOnce, len(b))]
		p.put(part)
		if drawn += len(part); p.room < 0 {
			return drawn, errTooMuch
		}
	}
	return drawn, nil
}

// put draws all of b.
func (p *Painter) put(b []byte) { _, _ = p.screen.Write(p.clean.append(nil, b)) } // it never fails

func (p *Painter) onScreen() (shown []string) {
	text := strings.TrimSuffix(p.screen.AsHTMLWithTimestamps(false), "\n")
	if text == "" {
		return nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		shown = append(shown, htmlLine(line))
	}
	return shown
}

// htmlLine removes what only gives an empty line its height.
func htmlLine(line string) string {
	line = strings.TrimSuffix(line, "\n")
	if line == "&nbsp;" {
		return ""
	}
	return line
}

// giveUp begins to escape output. The lines on the screen stay, if the library can return them.
func (p *Painter) giveUp() {
	var shown []string
	_ = panics.Catch(func() error { // the lines may be the cause
		shown = p.onScreen()
		return nil
	})
	p.final = append(p.final, shown...)
	p.escaper = &escaper{held: p.clean.pending()}
	p.screen = nil
}
