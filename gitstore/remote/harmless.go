package remote

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// harmless makes a line of other people's bytes safe for a terminal: control
// characters, and the invisible ones that reorder text, are shown as escapes.
func harmless(s string) string {
	bad := func(r rune) bool { return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029' }
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
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}
