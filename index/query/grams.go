package query

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"

	"qme/record"
)

// GramSize is how many runes a gram has.
const GramSize = 3

// edge stands before and behind each text, so that also the shortest one has grams and
// each of its runes is in one.
const edge = "\x00"

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
}

// Grams returns pieces of text, folded, of which each run that answers to the query has
// all. A piece has GramSize runes, or less: then it is in one of the run's grams. None
// means that nothing can be said.
func (q *Query) Grams() []string {
	var grams []string
	for _, t := range q.terms {
		switch {
		case t.not || t.test != nil || t.field == executor:
		case t.regex != nil:
			grams = appendRequired(grams, t.regex.String())
		default:
			grams = appendNeedle(grams, t.needle)
		}
	}
	slices.Sort(grams)
	return slices.Compact(grams)
}

func appendNeedle(grams []string, needle string) []string {
	if n := utf8.RuneCountInString(needle); n > 0 && n < GramSize {
		return append(grams, needle)
	}
	eachGram(needle, func(g string) { grams = append(grams, g) })
	return grams
}

// eachGram calls fn for each piece of GramSize runes.
func eachGram(s string, fn func(string)) {
	var a, b, c, n int // the last pieces begin at a, b and c
	for i := range s {
		if n++; n > GramSize {
			fn(s[a:i])
		}
		a, b, c = b, c, i
	}
	if n >= GramSize {
		fn(s[a:])
	}
}

// EachGram calls fn for the grams of all that is searched of a run, folded; for some of
// them more than once.
func (d *Doc) EachGram(fn func(string)) {
	for _, f := range textFields {
		eachGram(edge+d.folded(f)+edge, fn)
	}
}

// appendRequired adds the grams of the literal texts without which the expression does
// not match.
func appendRequired(grams []string, expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return grams // it was compiled once, so this does not happen
	}
	return required(grams, re.Simplify())
}

func required(grams []string, re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return appendNeedle(grams, Fold(string(re.Rune)))
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		for _, sub := range re.Sub {
			grams = required(grams, sub)
		}
	}
	return grams
}

// CountOver counts the streams of a run that are stored with more bytes than the limit.
func CountOver(r *record.Record, limit int64) int {
	n := 0
	for _, s := range []*record.Stream{r.Data.Stdout, r.Data.Stderr} {
		if s != nil && s.Stored() > limit {
			n++
		}
	}
	return n
}
