package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold returns the text in which letters that differ only in case are the same:
// Unicode's simple case folding, rune by rune, as strings.EqualFold compares. The
// result has as many runes as s. Bytes that are not UTF-8 become U+FFFD, a run of
// them one.
func Fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return strings.Map(foldRune, strings.ToValidUTF8(s, "\ufffd"))
}

// foldRune returns what stands for all runes that simple folding makes equal: the
// least of them, or the lower-case letter where that is an ASCII one.
func foldRune(r rune) rune {
	if r >= utf8.RuneSelf {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		r = least
	}
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

// unfold returns the bytes of s at which a piece of Fold(s), given by its bytes,
// lies. s must be valid UTF-8.
func unfold(s, folded string, start, end int) (int, int) {
	if len(s) == len(folded) && isASCII(s) {
		return start, end
	}
	i, j := 0, 0
	from := -1
	for j < end {
		if j == start {
			from = i
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		_, m := utf8.DecodeRuneInString(folded[j:])
		i, j = i+n, j+m
	}
	if from < 0 {
		from = i
	}
	return from, i
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
