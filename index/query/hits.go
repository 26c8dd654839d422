package query

import (
	"math"
	"strings"
	"unicode/utf8"
)

// A Hit is one place at which a run answers to a query. The JSON keys are stable.
type Hit struct {
	Field string `json:"field"` // its name in the language
	// Line counts the lines of output and error from 1; 0 in other fields.
	Line int `json:"line,omitempty"`
	// Before, Match and After are a piece of the line; what is longer than Around
	// runes is cut at the far end, a Match at its end.
	Before string `json:"before"`
	Match  string `json:"match"`
	After  string `json:"after"`
	// Start and End are where it is, as bytes of the field's text.
	Start int `json:"-"`
	End   int `json:"-"`
	// Term tells apart the words of the query; those of one query count from 0.
	Term int `json:"-"`
	// Repeats says that the hit shows nothing that its word does not say: it is all of a field
	// that the word names, or the beginning of a commit.
	Repeats bool `json:"-"`
}

// Around is how many runes a Hit holds of what is before and behind it, and of the
// match itself.
const Around = 80

// perField is how many hits of one term are looked for in one field.
const perField = 3

// Hits returns places at which the terms of the query occur, some for each term and
// field, in the order of the query.
func (q *Query) Hits(d *Doc) []Hit {
	var hits []Hit
	n := 0
	for t := range q.asked {
		for _, f := range t.fields(d) {
			for _, h := range t.hits(d, f) {
				h.Term, h.Repeats = n, t.repeats(h)
				hits = append(hits, h)
			}
		}
		n++
	}
	return hits
}

func (t term) repeats(h Hit) bool {
	literal := t.field != anywhere && t.regex == nil && t.edits == 0
	return literal && h.Line == 0 && h.Before == "" && (h.After == "" || t.field == commit)
}

func (t term) hits(d *Doc, f field) []Hit {
	var hits []Hit
	for _, at := range t.find(d, f, perField) {
		hits = append(hits, excerpt(d.text(f), f, at[0], at[1]))
	}
	return hits
}

func excerpt(s string, f field, start, end int) Hit {
	h := Hit{Field: string(f), Start: start, End: end}
	if f == output || f == errorText {
		h.Line = 1 + strings.Count(s[:start], "\n")
	}
	before := s[strings.LastIndexByte(s[:start], '\n')+1 : start]
	after, _, _ := strings.Cut(s[end:], "\n")
	h.Before, h.Match, h.After = lastRunes(before), firstRunes(s[start:end]), firstRunes(after)
	return h
}

func firstRunes(s string) string {
	n := 0
	for i := range s {
		if n++; n > Around {
			return s[:i]
		}
	}
	return s
}

func lastRunes(s string) string {
	i := len(s)
	for n := 0; n < Around && i > 0; n++ {
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return s[i:]
}

// Relevance says how well a run that matches answers to the query: a word counts more
// in the command, the message or the notes than elsewhere, as a word of its own more than as a part of
// one, and more often more, by the logarithm. Larger is better; it means nothing else.
func (q *Query) Relevance(d *Doc) float64 {
	score := 0.0
	for t := range q.asked {
		for _, f := range t.fields(d) {
			hits := t.hits(d, f)
			if len(hits) == 0 {
				continue
			}
			weight := 1.0
			if f == command || f == message || f == note {
				weight = 4
			}
			for _, h := range hits {
				if h.wholeWord() {
					weight *= 1.5
					break
				}
			}
			score += weight * (1 + math.Log2(float64(len(hits))))
		}
	}
	return score
}

func (h Hit) wholeWord() bool {
	before, _ := utf8.DecodeLastRuneInString(h.Before)
	after, _ := utf8.DecodeRuneInString(h.After)
	return !isWordRune(before) && !isWordRune(after)
}
