package query

import (
	"slices"
	"strings"

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
// excluded, that were probably meant as conditions: "rc>0" and "ok". An expression is none.
func (q *Query) Doubts(text string, o Options) []Doubt {
	var list []Doubt
	q.asked(func(t term) bool {
		if t.field != anywhere || t.regex != nil || t.edits > 0 {
			return true
		}
		typed := text[t.place[0]:t.place[1]]
		if meant := meantCondition(typed, o); meant != "" {
			list = append(list, Doubt{Typed: typed, Meant: meant, Place: t.place})
		}
		return true
	})
	slices.SortFunc(list, func(a, b Doubt) int { return a.Place[0] - b.Place[0] })
	return list
}

// WithConditions returns the text of a query with the conditions that were probably meant.
func WithConditions(text string, list []Doubt) string {
	for _, d := range slices.Backward(list) {
		text = text[:d.Place[0]] + d.Meant + text[d.Place[1]:]
	}
	return text
}

// noColon matches a condition whose colon is missing.
var noColon = lazy.Regexp(`^([A-Za-z]{1,40})(<=|>=|!=|<|>|=)([^"]+)$`)

// meantCondition returns the condition that a word was probably meant as, "" where it is none.
func meantCondition(typed string, o Options) string {
	if _, ok := record.ParseOutcomes(typed); ok {
		return "status:" + strings.ToLower(typed)
	}
	if meant := near.Best(strings.ToLower(typed), StatusWords); meant != "" {
		return meant
	}
	m := noColon().FindStringSubmatch(typed)
	if m == nil {
		return ""
	}
	name, operator := strings.ToLower(m[1]), m[2]
	if !slices.Contains(Fields, name) {
		name = Meant(name)
	}
	if operator == "=" && !slices.Contains([]string{"rc", "run"}, name) {
		operator = ""
	}
	meant := name + ":" + operator + m[3]
	if name == "" || operator != "" && !slices.Contains([]string{"rc", "run", "duration"}, name) {
		return ""
	}
	if _, err := Parse(meant, o); err != nil {
		return ""
	}
	return meant
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
