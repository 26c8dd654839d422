// Package query is the language of "qme search": what is asked, and whether a run
// answers to it. docs/search.md describes it for people.
package query

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"qme/record"
)

// A Query is what runs are compared with: all its terms must hold. It does not
// change and may be used by several goroutines at once.
type Query struct {
	terms []term
}

// A term is one condition.
type term struct {
	not   bool
	field field // anywhere: each text field
	// One of these: text to find, folded, an expression, or a test of the record.
	needle string
	regex  *regexp.Regexp
	test   func(*record.Record) bool
}

// Match reports whether the run answers to the query. What could not be read of the
// run is in d.Err; then the answer is not to be relied on.
func (q *Query) Match(d *Doc) bool {
	for _, t := range q.terms {
		if t.holds(d) == t.not {
			return false
		}
	}
	return true
}

// Admits reports whether the conditions of the query hold that need no text of the run:
// those on its status, return code, times and duration.
func (q *Query) Admits(r *record.Record) bool {
	for _, t := range q.terms {
		if t.test != nil && t.test(r) == t.not {
			return false
		}
	}
	return true
}

// HasConditions reports whether Admits has anything to look at.
func (q *Query) HasConditions() bool {
	return slices.ContainsFunc(q.terms, func(t term) bool { return t.test != nil })
}

func (t term) holds(d *Doc) bool {
	if t.test != nil {
		return t.test(d.Record)
	}
	for _, f := range t.field.texts() {
		if t.regex != nil && t.regex.MatchString(d.text(f)) || t.regex == nil && strings.Contains(d.folded(f), t.needle) {
			return true
		}
	}
	return false
}

// find returns the first places in a text field, as bytes of it, at which the term
// occurs: a beginning and an end each.
func (t term) find(d *Doc, f field, most int) [][]int {
	if t.regex != nil {
		return t.regex.FindAllStringIndex(d.text(f), most)
	}
	var found [][]int
	folded := d.folded(f)
	for from := 0; len(found) < most; {
		i := strings.Index(folded[from:], t.needle)
		if i < 0 {
			break
		}
		start, end := unfold(d.text(f), folded, from+i, from+i+len(t.needle))
		found = append(found, []int{start, end})
		from += i + len(t.needle)
	}
	return found
}

// Streams reports whether the query looks at a run's output or error output.
func (q *Query) Streams() bool {
	return slices.ContainsFunc(q.terms, func(t term) bool {
		return t.test == nil && (t.field == anywhere || t.field == output || t.field == errorText)
	})
}

// sort puts first what is cheap to find out.
func (q *Query) sort() {
	cost := func(t term) int {
		switch {
		case t.test != nil:
			return 0
		case t.field != anywhere && t.field != output && t.field != errorText:
			return 1
		case t.regex != nil:
			return 3
		}
		return 2
	}
	slices.SortStableFunc(q.terms, func(a, b term) int { return cmp.Compare(cost(a), cost(b)) })
}

// compare is a relation between two values of which cmp.Compare says c.
func (o operator) holds(c int) bool {
	switch o {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "!=":
		return c != 0
	}
	return c == 0
}

type operator string

func returncode(o operator, n int) func(*record.Record) bool {
	return func(r *record.Record) bool {
		code := r.Code()
		return code != nil && o.holds(cmp.Compare(*code, n))
	}
}

func duration(o operator, d time.Duration, now time.Time) func(*record.Record) bool {
	return func(r *record.Record) bool {
		took, ok := r.Took(now)
		return ok && o.holds(cmp.Compare(took, d))
	}
}

func between(from, to time.Time) func(*record.Record) bool {
	return func(r *record.Record) bool {
		at := r.Data.Timestamp.Time
		return (from.IsZero() || !at.Before(from)) && (to.IsZero() || at.Before(to))
	}
}

func hasStatus(s record.Status) func(*record.Record) bool {
	if s == record.Running {
		return (*record.Record).Active
	}
	return func(r *record.Record) bool { return r.Data.Status == s }
}
