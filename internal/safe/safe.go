// Package safe makes other people's bytes safe for a terminal: what commands print,
// what records say, what a remote answers. Control characters (also those of ISO 6429
// above U+0080, which terminals obey), and the invisible ones that reorder text, are
// shown as escapes.
package safe

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

func unsafeRune(r rune) bool {
	return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029'
}

// Line returns text fit for one line.
func Line(s string) string {
	return escape(s, func(r rune) bool { return unsafeRune(r) })
}

// Message returns text fit for several lines: newlines and tabs stay.
func Message(s string) string {
	return escape(s, func(r rune) bool { return r != '\n' && r != '\t' && unsafeRune(r) })
}

func escape(s string, bad func(rune) bool) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !bad(r):
			b.WriteString(s[i : i+n])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// JSON returns a JSON document in which such characters are JSON's own escapes, so that
// it is the same document. Outside strings it has none but white space.
func JSON(b []byte) []byte {
	bad := func(r rune) bool { return r != '\n' && unsafeRune(r) }
	if bytes.IndexFunc(b, bad) < 0 {
		return b
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		switch {
		case !bad(r):
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}
