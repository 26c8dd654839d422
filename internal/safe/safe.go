// Package safe makes untrusted text safe for a terminal: the output of commands, the
// content of records, the answers of remotes. Control characters (including those of ISO
// 6429 above U+0080, which terminals obey) and invisible characters that reorder text are
// shown as escapes.
package safe

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unsafeRune reports whether a character is a control character or invisible. Invisible
// are the characters that Unicode allows a program to ignore
// (Default_Ignorable_Code_Point is wider than the category Cf), and the blank Braille
// pattern.
func unsafeRune(r rune) bool {
	if r >= ' ' && r < 0x7f {
		return false
	}
	return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029' || r == '\u2800' ||
		r > 0xff && unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// emoji selects the coloured form of the preceding symbol, and is harmless there.
const emoji = '\ufe0f'

func isSymbol(r rune) bool { return unicode.In(r, unicode.So, unicode.Sm) }

// Line returns text that is safe to print on one line.
func Line(s string) string {
	return escape(s, func(r rune) bool { return unsafeRune(r) })
}

// Message returns text that is safe to print on several lines: newlines and tabs are
// kept.
func Message(s string) string {
	return escape(s, func(r rune) bool { return r != '\n' && r != '\t' && unsafeRune(r) })
}

func escape(s string, bad func(rune) bool) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	var before rune
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		good := !bad(r) || r == emoji && isSymbol(before)
		before = r
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case good:
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

// JSON returns an equivalent JSON document in which such characters are JSON escapes.
// Outside strings a document has no such characters except white space.
func JSON(b []byte) []byte {
	bad := func(r rune) bool { return r != '\n' && unsafeRune(r) }
	if bytes.IndexFunc(b, bad) < 0 {
		return b
	}
	var out bytes.Buffer
	var before rune
	for _, r := range string(b) {
		good := !bad(r) || r == emoji && isSymbol(before)
		before = r
		switch {
		case good:
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
