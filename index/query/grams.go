package query

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"

	"qme/record"
)

// gramSize is how many runes a gram has at most.
const gramSize = 3

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
}

// Grams returns the pieces of up to three runes, folded, that each run which answers
// to the query has somewhere in its text, sorted. None means that nothing can be said.
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

// appendNeedle adds the pieces of the size of grams, or the needle itself where it is
// shorter: texts have pieces of all sizes up to that.
func appendNeedle(grams []string, needle string) []string {
	eachGram(needle, min(gramSize, utf8.RuneCountInString(needle)), func(g string) { grams = append(grams, g) })
	return grams
}

// eachGram calls fn for each piece of n runes.
func eachGram(s string, n int, fn func(string)) {
	if n == 0 {
		return
	}
	var starts [gramSize + 1]int
	count := 0
	for i := range s {
		if count >= n {
			fn(s[starts[(count-n)%len(starts)]:i])
		}
		starts[count%len(starts)] = i
		count++
	}
	if count >= n {
		fn(s[starts[(count-n)%len(starts)]:])
	}
}

// EachGram calls fn for the pieces of one to three runes of all that is searched of
// a run, folded; for some of them more than once.
func (d *Doc) EachGram(fn func(string)) {
	for _, f := range textFields {
		folded := d.folded(f)
		for n := 1; n <= gramSize; n++ {
			eachGram(folded, n, fn)
		}
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
