package query

import (
	"slices"
	"strings"
	"unicode"
)

// A Word is one that a query looks for as text.
type Word struct {
	Text   string   // folded
	Field  string   // "" for anywhere
	Places [][2]int // where it begins and ends in the text of the query, with its quotation marks
	Alone  bool     // the query is nothing else
}

// Words returns what a query looks for that may be a word of an index, in the order of its
// text: letters and digits that begin with a letter, of a length for which similar words can be
// looked for, in no field or in one of which there are words. What is excluded is none.
// The places in a query of All are those in the text of each of its queries.
func (q *Query) Words() []Word {
	var list []Word
	terms := 0
	q.root.terms(func(t term) bool {
		terms++
		if t.not || t.test != nil || t.regex != nil || t.edits > 0 || noWord(t.needle) != "" || t.field != anywhere && !slices.Contains(wordTexts, t.field) {
			return true
		}
		same := func(w Word) bool { return w.Text == t.needle && w.Field == string(t.field) }
		i := slices.IndexFunc(list, same)
		if i < 0 {
			i = len(list)
			list = append(list, Word{Text: t.needle, Field: string(t.field)})
		}
		list[i].Places = append(list[i].Places, t.place)
		return true
	})
	for i := range list {
		list[i].Alone = terms == 1
	}
	slices.SortStableFunc(list, func(a, b Word) int { return a.Places[0][0] - b.Places[0][0] })
	return list
}

// Query returns the query for the word alone.
func (w Word) Query() *Query {
	return &Query{node{term: &term{field: field(w.Field), needle: w.Text}}}
}

// Typed returns the word as it is in the text of its query, without quotation marks.
func (w Word) Typed(text string) string {
	return strings.Trim(text[w.Places[0][0]:w.Places[0][1]], `"`)
}

// Similar calls fn once for each word of a run, in the fields of the word, that differs from it by
// one edit to MostEdits. A word of a branch, where text is looked for only with a field, is none.
func (w Word) Similar(d *Doc, fn func(word string, edits int)) {
	t, asked, seen := term{field: field(w.Field), edits: w.MostEdits()}, []rune(w.Text), map[string]bool{}
	for _, f := range t.fields(d) {
		if f == branch && w.Field == "" {
			continue
		}
		folded := d.folded(f)
		eachWord(folded, func(from, to int) bool {
			word := folded[from:to]
			if word == w.Text || seen[word] {
				return true
			}
			for edits := 1; edits <= t.edits; edits++ {
				if within(asked, word, edits) {
					seen[word] = true
					fn(word, edits)
					break
				}
			}
			return true
		})
	}
}

// MostEdits returns by how many edits a word may differ from the one that was probably meant:
// two, but one of a short word, from which too many others differ by two.
func (w Word) MostEdits() int {
	if len([]rune(w.Text)) < shortWord {
		return 1
	}
	return mostEdits
}

const shortWord = 5

// A Missing is a word of a query that is in no run.
type Missing struct {
	Word
	Near string // the one that was probably meant, in small letters; "" when there is none
}

// Corrected returns the text of a query with the words that were probably meant in the place of
// its own.
func Corrected(text string, list []Missing) string {
	type edit struct {
		at   [2]int
		word string
	}
	var edits []edit
	for _, m := range list {
		for _, at := range m.Places {
			if m.Near == "" {
				continue
			}
			word := m.Near
			if text[at[0]] == '"' || m.Field == "" && slices.Contains(StatusWords, word) {
				word = `"` + word + `"`
			}
			edits = append(edits, edit{at, word})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.at[0] - a.at[0] })
	for _, e := range edits {
		text = text[:e.at[0]] + e.word + text[e.at[1]:]
	}
	return text
}

// Small returns a folded text in small letters, but for those that fold to another one.
func Small(folded string) string {
	return strings.Map(func(r rune) rune {
		if small := unicode.ToLower(r); foldRune(small) == r {
			return small
		}
		return r
	}, folded)
}
