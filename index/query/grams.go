package query

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"

	"qme/record"
)

// gramSize is how many runes a gram has.
const gramSize = 3

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
}

// maxGrams bounds the grams of a leaf: those of a long text say little more than some of them.
const maxGrams = 32

// grams returns grams of folded texts, from all parts of them.
func grams(needles []string) []string {
	var list []string
	for _, n := range needles {
		eachGram(n, func(g string) { list = append(list, g) })
	}
	if n := len(list); n > maxGrams {
		for i := range maxGrams {
			list[i] = list[i*(n-1)/(maxGrams-1)]
		}
		list = list[:maxGrams]
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// eachGram calls fn for each piece of gramSize runes.
func eachGram(s string, fn func(string)) {
	var a, b, c, n int // the last pieces begin at a, b and c
	for i := range s {
		if n++; n > gramSize {
			fn(s[a:i])
		}
		a, b, c = b, c, i
	}
	if n >= gramSize {
		fn(s[a:])
	}
}

// EachGram calls fn for the grams of all that is searched of a run: its pieces of three
// runes, folded, and of each text the last two runes and the last, so that each shorter
// piece begins one of them; for some of them more than once.
func (d *Doc) EachGram(fn func(string)) {
	for _, f := range gramTexts {
		EachGram(d.folded(f), fn)
	}
}

// EachGram calls fn for the grams of a text, which is folded: see Doc.EachGram.
func EachGram(s string, fn func(string)) {
	eachGram(s, fn)
	end := len(s)
	for range gramSize - 1 {
		_, n := utf8.DecodeLastRuneInString(s[:end])
		if end -= n; n > 0 {
			fn(s[end:])
		}
	}
}

// appendRequired adds the literal texts, folded, without which the expression does not
// match.
func appendRequired(needles []string, expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return needles // it was compiled once, so this does not happen
	}
	return required(needles, re.Simplify())
}

func required(needles []string, re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return append(needles, Fold(string(re.Rune)))
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		for _, sub := range re.Sub {
			needles = required(needles, sub)
		}
	}
	return needles
}

// CountOver counts the streams of a run that are stored with more bytes than the limit.
func CountOver(r *record.Record, limit int64) int {
	n := 0
	for _, name := range record.StreamNames {
		_, s := name.Of(r)
		if s != nil && s.Stored() > limit {
			n++
		}
	}
	return n
}
