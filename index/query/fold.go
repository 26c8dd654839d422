package query

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold returns the text in which letters that differ only in case, or in how they are
// composed, are the same: Unicode's normalization form C and then its simple case folding,
// rune by rune, as strings.EqualFold compares. Bytes that are not UTF-8 become U+FFFD, a
// run of them one.
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
	inPlace = true
	last, lastFold := 0, 0 // how long the last letter and its fold are
	for i := 0; ; {
		n := 0
		if dst, n = appendASCII(dst, text[i:]); n > 0 {
			last, lastFold = 1, 1
		}
		if i += n; i == len(text) {
			return dst, inPlace
		}
		if n := composing(text[i:]); n > 0 {
			dst = appendComposed(dst[:len(dst)-lastFold], text[i-last:i+n])
			i, last, lastFold, inPlace = i+n, 0, 0, false
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		before := len(dst)
		dst = utf8.AppendRune(dst, foldRune(r))
		i, last, lastFold = i+size, size, len(dst)-before
		inPlace = inPlace && last == lastFold
	}
}

// composing returns how many bytes at the beginning of a text may belong to the letter before
// them, or are not UTF-8. It ends where a letter begins that stays as it is.
func composing(text []byte) int {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		if valid := r != utf8.RuneError || size > 1; valid && !mayCompose(r) {
			break
		}
		n += size
	}
	return n
}

// appendComposed is AppendFold of any text.
func appendComposed(dst, text []byte) []byte {
	text = norm.NFC.Bytes(bytes.ToValidUTF8(text, []byte("\ufffd")))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, foldRune(r))
		text = text[size:]
	}
	return dst
}

// mayCompose reports whether a text with r may have to be brought to form C. It errs to yes.
func mayCompose(r rune) bool {
	switch {
	case r < 0x300:
		return false
	case r < lowRunes:
		return lowMarks()[r]
	case 0x2190 <= r && r < 0x2329 || 0x232b <= r && r < 0x2adc || 0x4e00 <= r && r < 0xa640 || 0xac00 <= r && r < 0xd7a4 || r == utf8.RuneError:
		return false // what programs like to draw with, Chinese and Korean
	}
	return isMark(r)
}

func isMark(r rune) bool {
	var b [utf8.UTFMax]byte
	one := utf8.AppendRune(b[:0], r)
	return !norm.NFC.Properties(one).BoundaryBefore() || !norm.NFC.IsNormal(one)
}

// lowMarks has what isMark says of the runes that two bytes can hold.
var lowMarks = sync.OnceValue(func() *[lowRunes]bool {
	marks := new([lowRunes]bool)
	for r := range marks {
		marks[r] = isMark(rune(r))
	}
	return marks
})

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
	if !norm.NFC.IsNormalString(s) {
		return locate(s, Fold, start, end)
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

// locate returns the bytes of s at which a piece of what form makes of s lies, with the
// whole of a letter of which it is a part. form must make the same of pieces of s, between
// which nothing is composed.
func locate(s string, form func(string) string, start, end int) (from, to int) {
	i, j := 0, 0
	for from = -1; i < len(s); {
		plain := countASCII(s[i:]) - 1 // as the last one may be composed with what follows
		if plain > 0 {
			if from < 0 && start < j+plain {
				from = i + start - j
			}
			if from >= 0 && end <= j+plain {
				return from, i + end - j
			}
			i, j = i+plain, j+plain
		}
		n := norm.NFC.NextBoundaryInString(s[i:], true)
		m := len(form(s[i : i+n]))
		if from < 0 && start < j+m {
			from = i
		}
		i, j = i+n, j+m
		if from >= 0 && end <= j {
			return from, i
		}
	}
	if from < 0 {
		from = len(s)
	}
	return from, len(s)
}

// countASCII returns how many bytes of ASCII are at the beginning.
func countASCII(s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return i
		}
	}
	return len(s)
}

func isASCII(s string) bool { return countASCII(s) == len(s) }
