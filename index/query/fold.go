package query

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
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
	folded, _ := AppendFold(make([]byte, 0, len(s)), []byte(s))
	return string(folded)
}

// AppendFold appends Fold of a text to dst, which is quick for ASCII. It reports whether it
// is as long as the text, and each byte of it in its place.
func AppendFold(dst, text []byte) (folded []byte, inPlace bool) {
	begin, inPlace := len(dst), true
	for rest := text; ; {
		n := 0
		dst, n = appendASCII(dst, rest)
		if rest = rest[n:]; len(rest) == 0 {
			return dst, inPlace
		}
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			dst, _ = AppendFold(dst[:begin], bytes.ToValidUTF8(text, []byte("\ufffd")))
			return dst, false
		}
		before := len(dst)
		dst = utf8.AppendRune(dst, foldRune(r))
		inPlace = inPlace && len(dst)-before == size
		rest = rest[size:]
	}
}

// appendASCII appends the ASCII at the beginning of a text, folded, and returns how long
// that is.
func appendASCII(dst, text []byte) (folded []byte, n int) {
	const highs, toA, pastZ = 0x80 * ones, (0x80 - 'A') * ones, (0x7f - 'Z') * ones
	for ; n+8 <= len(text); n += 8 { // eight letters at a time
		x := binary.LittleEndian.Uint64(text[n:])
		if x&highs != 0 {
			break
		}
		upper := (x + toA) &^ (x + pastZ) & highs
		dst = binary.LittleEndian.AppendUint64(dst, x|upper>>2)
	}
	for ; n < len(text) && text[n] < utf8.RuneSelf; n++ {
		c := text[n]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst, n
}

// ones has 1 in each byte.
const ones = 0x0101010101010101

// foldRune returns what stands for all runes that simple folding makes equal: the
// least of them, or the lower-case letter where that is an ASCII one.
func foldRune(r rune) rune {
	switch {
	case r < lowRunes:
		return lowFolds()[r]
	case hasNoCase(r):
		return r
	}
	return findFold(r)
}

// lowFolds has what foldRune returns of the runes that two bytes can hold, since finding it
// takes long.
var lowFolds = sync.OnceValue(func() *[lowRunes]rune {
	folds := new([lowRunes]rune)
	for r := range folds {
		folds[r] = findFold(rune(r))
	}
	return folds
})

const lowRunes = 0x800

func findFold(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// hasNoCase knows the blocks of Unicode, from punctuation to dingbats and of Chinese,
// Japanese and Korean, that programs like to print and that have no upper and lower case.
func hasNoCase(r rune) bool {
	return 0x2190 <= r && r < 0x2460 || 0x2500 <= r && r < 0x2c00 || 0x2000 <= r && r < 0x2100 || 0x2e80 <= r && r < 0xa640 || r == utf8.RuneError
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
