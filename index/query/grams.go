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

// Needles returns texts, folded, each of which is in a field of any run that answers to the
// query. None means that nothing can be said.
func (q *Query) Needles() []string {
	var needles []string
	for _, t := range q.terms {
		switch {
		case t.not || t.test != nil || t.field == executor:
		case t.regex != nil:
			needles = appendRequired(needles, t.regex.String())
		default:
			needles = append(needles, t.needle)
		}
	}
	slices.Sort(needles)
	return slices.Compact(needles)
}

// Grams returns the grams that any run that answers to the query has.
func (q *Query) Grams() []string {
	var grams []string
	for _, n := range q.Needles() {
		eachGram(n, func(g string) { grams = append(grams, g) })
	}
	slices.Sort(grams)
	return slices.Compact(grams)
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
// runes, folded; for some of them more than once.
func (d *Doc) EachGram(fn func(string)) {
	for _, f := range textFields {
		eachGram(d.folded(f), fn)
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
