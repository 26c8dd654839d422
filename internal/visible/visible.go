// Package visible reduces the output of a command to the text that was visible on a
// terminal. It is used for searching, for excerpts, and for comparing runs.
package visible

import (
	"strconv"
	"strings"

	"qme/internal/safe"
)

// Text returns s without control sequences (ECMA-48): those that set colours and modes,
// hyperlinks and titles, character sets, graphics. A carriage return ends a line, as does
// a sequence that moves the cursor to another line; a carriage return before a newline is
// part of that newline. A backspace removes the preceding character, as in overstruck
// text. If a sequence never ends, its escape character is removed and the rest is text.
// The one-byte forms of these sequences (U+0080 to U+009F) are text as well, since
// wrongly decoded text is full of them.
//
// The result is never longer than s, and is s itself if there is nothing to remove. The
// time is linear in the length of s for any input.
func Text(s string) string {
	if !hasControls(s) {
		return s
	}
	r := reader{in: s, out: make([]byte, 0, len(s))}
	for r.at < len(s) {
		n := strings.IndexAny(s[r.at:], controls)
		if n < 0 {
			n = len(s) - r.at
		}
		r.out = append(r.out, s[r.at:r.at+n]...)
		if r.at += n; r.at < len(s) {
			r.control()
		}
	}
	return string(r.out)
}

// longestCut is the length from which Cut takes an unfinished sequence for text.
const longestCut = 64 << 10

// Cut returns the beginning of a text that was cut at an arbitrary byte, without an
// incomplete UTF-8 character or control sequence at the end. It is used before Text,
// which would take an incomplete sequence for text.
func Cut(s string) string {
	s = strings.TrimSuffix(safe.Whole(s), "\x1b") // an escape character may have been meant to end a sequence
	i := strings.LastIndexByte(s[max(0, len(s)-longestCut):], '\x1b')
	if i < 0 {
		return s
	}
	i += max(0, len(s)-longestCut)
	rest := s[i+1:]
	open := false
	switch {
	case rest == "":
		open = true
	case rest[0] == '[':
		open = strings.IndexFunc(rest[1:], func(r rune) bool { return r < ' ' || r > '?' }) < 0
	case rest[0] == ']', rest[0] == 'k':
		open = !strings.ContainsAny(rest, "\a\n")
	case strings.IndexByte("PX^_", rest[0]) >= 0:
		open = true // no escape character follows that would end it
	case between(rest[0], ' ', '/'):
		open = strings.IndexFunc(rest, func(r rune) bool { return r < ' ' || r > '/' }) < 0
	}
	if open {
		return s[:i]
	}
	return s
}

// controls are the characters that Text handles: bell, backspace, carriage return, shift
// out, shift in, escape.
const controls = "\a\b\r\x0e\x0f\x1b"

// hasControls searches for the characters one by one, which is several times faster than
// searching for all at once.
func hasControls(s string) bool {
	for i := range len(controls) {
		if strings.IndexByte(s, controls[i]) >= 0 {
			return true
		}
	}
	return false
}

// A reader is a position in a text. The marks cache the positions of the next
// terminators.
type reader struct {
	in              string
	at              int
	out             []byte
	bell, end, line mark
}

// control handles a control character.
func (r *reader) control() {
	c := r.in[r.at]
	r.at++
	switch c {
	case '\r':
		r.carriageReturn()
	case '\b':
		r.rubOut()
	case '\x1b':
		r.sequence()
	}
}

func (r *reader) carriageReturn() {
	for r.at < len(r.in) && r.in[r.at] == '\r' {
		r.at++
	}
	if r.at < len(r.in) && r.in[r.at] != '\n' {
		r.endLine()
	}
}

func (r *reader) endLine() {
	if n := len(r.out); n > 0 && r.out[n-1] != '\n' {
		r.out = append(r.out, '\n')
	}
}

// rubOut removes the last character of the line, and reports whether there was one.
func (r *reader) rubOut() bool {
	n := len(r.out)
	if n == 0 || r.out[n-1] == '\n' {
		return false
	}
	for n--; n > 0 && r.out[n]&0xc0 == 0x80 && r.out[n-1] != '\n'; n-- { // continuation bytes of UTF-8
	}
	r.out = r.out[:n]
	return true
}

// sequence handles the text after an escape character.
func (r *reader) sequence() {
	if r.at == len(r.in) {
		return
	}
	switch c := r.in[r.at]; {
	case c == '[':
		r.at++
		r.csi()
	case c == ']', c == 'k': // OSC; the title of a window of screen
		r.toEnd(true)
	case strings.IndexByte("PX^_", c) >= 0: // DCS, SOS, PM, APC
		r.toEnd(false)
	case between(c, ' ', '/'): // for example a character set
		for r.at < len(r.in) && between(r.in[r.at], ' ', '/') {
			r.at++
		}
		if r.at < len(r.in) && between(r.in[r.at], '0', '~') {
			r.at++
		}
	case between(c, '0', '~'):
		r.at++
	}
}

// csi reads a control sequence after its "ESC [".
func (r *reader) csi() {
	begin := r.at
	for r.at < len(r.in) && between(r.in[r.at], ' ', '?') {
		r.at++
	}
	if r.at == len(r.in) || !between(r.in[r.at], '@', '~') {
		return // incomplete: the rest is text
	}
	parameters, final := r.in[begin:r.at], r.in[r.at]
	r.at++
	switch final {
	case 'A', 'B', 'E', 'F', 'H', 'f', 'd':
		r.endLine()
	case 'D':
		for range max(1, number(parameters)) {
			if !r.rubOut() {
				break
			}
		}
	case 'G', '`':
		if number(parameters) <= 1 { // like a carriage return
			r.endLine()
			break
		}
		fallthrough
	case 'C', 'a':
		r.out = append(r.out, ' ')
	}
}

// number parses the only parameter of a control sequence. It returns 0 if there is none or
// if it is not a number of at most 16 bits.
func number(parameter string) int {
	n, err := strconv.ParseUint(parameter, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// toEnd skips a string up to its terminator: ESC \, or, for OSC, a bell as well. An OSC
// that does not end on its line is broken, and the rest is text.
func (r *reader) toEnd(osc bool) {
	end := r.end.next(r.in, "\x1b\\", r.at)
	after := end + 2
	if osc {
		if bell := r.bell.next(r.in, "\a", r.at); bell < end {
			end, after = bell, bell+1
		}
		if r.line.next(r.in, "\n", r.at) < end {
			return
		}
	}
	if end < len(r.in) {
		r.at = after
	}
}

// A mark caches the next position of a string, so that all searches for it together scan
// the text only once.
type mark struct {
	at    int
	known bool
}

// next returns the position of a string in s at from or later, len(s) if there is none.
func (m *mark) next(s, what string, from int) int {
	if !m.known || m.at < from {
		m.known, m.at = true, len(s)
		if n := strings.Index(s[from:], what); n >= 0 {
			m.at = from + n
		}
	}
	return m.at
}

func between(c, low, high byte) bool { return low <= c && c <= high }
