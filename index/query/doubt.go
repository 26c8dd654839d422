package query

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"qme/internal/lazy"
	"qme/internal/near"
	"qme/record"
)

// A Doubt is a word that was looked for as text, and that was probably meant as a condition.
type Doubt struct {
	Typed string // as it is in the text of the query
	Meant string
	Place [2]int // where it begins and ends in that text
}

// Doubts returns the words of a query that was read from a text, outside quotation marks and not
// excluded, that were probably meant as conditions ("rc>0", "rc != 0", "ok", "yesterday") or as
// something else of the language ("or", "not", "!pilot", "*.nii"). An expression is none.
func (q *Query) Doubts(text string, o Options) []Doubt {
	places := q.plainWords(text)
	var list []Doubt
	for len(places) > 0 {
		n := 1
		for words := range mostJoined {
			if d, ok := doubtOf(text, places, mostJoined-words, o); ok {
				n = mostJoined - words
				list = append(list, d)
				break
			}
		}
		places = places[n:]
	}
	return list
}

// Operators returns the words of a query that was read from a text that were probably meant to
// join or to exclude others ("or", "&&", "not"), so that the query may find what was not meant.
func (q *Query) Operators(text string) []Doubt {
	var list []Doubt
	for _, at := range q.plainWords(text) {
		if d := operatorAt(text, at); d.Meant != "" {
			list = append(list, d)
		}
	}
	return list
}

// plainWords returns where in the text of a query words are, outside quotation marks, that are
// looked for anywhere.
func (q *Query) plainWords(text string) (places [][2]int) {
	q.asked(func(t term) bool {
		if t.field == anywhere && t.regex == nil && t.edits == 0 && text[t.place[0]] != '"' {
			places = append(places, t.place)
		}
		return true
	})
	slices.SortFunc(places, func(a, b [2]int) int { return a[0] - b[0] })
	return places
}

// mostJoined is how many words a condition has at most that is written with blanks: "rc > 0".
const mostJoined = 3

// doubtOf returns what the first n of some words of a query were probably meant as together.
func doubtOf(text string, places [][2]int, n int, o Options) (Doubt, bool) {
	if n > len(places) {
		return Doubt{}, false
	}
	d := Doubt{Place: [2]int{places[0][0], places[n-1][1]}}
	d.Typed = text[d.Place[0]:d.Place[1]]
	if n == 1 {
		if d := operatorAt(text, places[0]); d.Meant != "" {
			return d, true
		}
		d.Meant = cmp.Or(meantCondition(d.Typed, o), meantSign(d.Typed))
		return d, d.Meant != ""
	}
	d.Meant = comparison(strings.Join(strings.Fields(d.Typed), ""), o)
	return d, d.Meant != "" && len(strings.Fields(d.Typed)) == n
}

// operators are what stands elsewhere for those of the language.
var operators = map[string]string{"or": "OR", "||": "OR", "|": "OR", "and": "AND", "&&": "AND", "&": "AND"}

// operatorAt returns what a word was probably meant as that joins its neighbours or excludes the
// next one; nothing is Meant otherwise.
func operatorAt(text string, at [2]int) Doubt {
	d := Doubt{Typed: text[at[0]:at[1]], Place: at}
	before, after := strings.TrimSpace(text[:at[0]]), strings.TrimSpace(text[at[1]:])
	next := firstWord(after)
	switch {
	case after == "" || endsGroups(after):
	case strings.EqualFold(d.Typed, "not"):
		if next[0] != '-' {
			d.Meant, d.Place[1] = "-", len(text)-len(strings.TrimLeftFunc(text[at[1]:], unicode.IsSpace))
		}
	case before != "" && !strings.HasSuffix(before, "(") && operators[strings.ToLower(next)] == "":
		d.Meant = operators[strings.ToLower(d.Typed)]
	}
	return d
}

// meantSign returns what a word was probably meant as that has a sign of another language: one
// that excludes it, or one for any text.
func meantSign(typed string) string {
	if word, ok := strings.CutPrefix(typed, "!"); ok && noWord(Fold(word)) == "" {
		return "-" + word
	}
	parts := strings.FieldsFunc(typed, func(r rune) bool { return r == '*' })
	odd := func(part string) bool {
		return part[0] == '-' || strings.ContainsAny(part, `()"\:`) || slices.Contains(StatusWords, part)
	}
	if !strings.Contains(typed, "*") || signs().MatchString(typed) || slices.ContainsFunc(parts, odd) {
		return ""
	}
	if len(parts) > 1 { // OR binds more closely than a blank
		return "(" + strings.Join(parts, " ") + ")"
	}
	return strings.Join(parts, "")
}

// WithConditions returns the text of a query with the conditions that were probably meant.
func WithConditions(text string, list []Doubt) string {
	for _, d := range slices.Backward(list) {
		text = text[:d.Place[0]] + d.Meant + text[d.Place[1]:]
	}
	return text
}

// noColon matches a condition whose colon is missing.
var noColon = lazy.Regexp(`^([A-Za-z]{1,40}|` + named + `)(<=|>=|!=|==|<|>|=)([^"]+)$`)

// meantCondition returns the condition that a word was probably meant as, "" where it is none.
func meantCondition(typed string, o Options) string {
	if _, ok := record.ParseOutcomes(typed); ok {
		return "status:" + strings.ToLower(typed)
	}
	if meant := near.Best(strings.ToLower(typed), StatusWords); meant != "" && near.Distance(strings.ToLower(typed), meant) == 1 {
		return meant
	}
	if aDay().MatchString(typed) {
		if _, err := Parse("on:"+typed, o); err == nil {
			return "on:" + typed
		}
	}
	return comparison(typed, o)
}

// aDay matches what may be a day, rather than a number.
var aDay = lazy.Regexp(`^([a-z]+|[0-9]{4}-[0-9]{2}(-[0-9]{2})?)$`)

// comparison returns the condition that a word without colon was probably meant as, "" where it
// is none.
func comparison(typed string, o Options) string {
	meant := singular(typed)
	if meant == typed || !fieldName().MatchString(meant) {
		meant = withColon(meant)
	}
	if meant == "" {
		return ""
	}
	if _, err := Parse(meant, o); err != nil {
		return ""
	}
	return meant
}

// withColon returns a condition with the colon that it lacks, "" where it is none.
func withColon(typed string) string {
	m := noColon().FindStringSubmatch(typed)
	if m == nil {
		return ""
	}
	operator, numbers := strings.Replace(m[2], "==", "=", 1), []string{"rc", "run", "duration", "memory"}
	name, sub, hasName := strings.Cut(m[1], ".")
	if name = strings.ToLower(name); !slices.Contains(Fields, name) {
		name = Meant(name)
	}
	if operator == "=" && !slices.Contains(numbers[:2], name) {
		operator = ""
	}
	switch {
	case name == "" || operator != "" && !hasName && !slices.Contains(numbers, name):
		return ""
	case hasName:
		name += "." + sub
	}
	return name + ":" + operator + m[3]
}

// signs matches what an expression has and other text seldom.
var signs = lazy.Regexp(`\.[*+?]|\\[dwsbDWSB]|\[[^\]]+\]|^\^|\$$|\w\|\w`)

// MeantRegex reports whether words of a query that was read from a text, not excluded, were
// probably meant as regular expressions, and can be.
func (q *Query) MeantRegex(text string, o Options) bool {
	looks := false
	q.asked(func(t term) bool {
		looks = looks || t.regex == nil && t.edits == 0 && signs().MatchString(strings.Trim(text[t.place[0]:t.place[1]], `"`))
		return !looks
	})
	o.Regex = true
	_, err := Parse(text, o)
	return looks && err == nil
}

// Variables returns the names of the environment variables for which a query asks, each once.
func (q *Query) Variables() []string {
	var names []string
	q.root.terms(func(t term) bool {
		if !t.not && t.values.Field == "env" {
			name, _, _ := strings.Cut(t.values.Prefix, "=")
			names = append(names, name)
		}
		return true
	})
	return unique(names)
}

// Variable returns the query for the runs for which a variable of a name that is not empty was
// set and recorded.
func Variable(name string) *Query {
	t := variable(name, "", false)
	return &Query{node{term: &t}}
}
