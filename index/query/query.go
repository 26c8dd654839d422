// Package query is the language of "qme search": what is asked, and whether a run
// answers to it. docs/search.md describes it for people.
package query

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"qme/internal/lazy"
	"qme/record"
)

// A Query is what runs are compared with. It does not change and may be used by several
// goroutines at once. All runs answer to the zero Query.
type Query struct {
	root node
}

// A term is one condition.
type term struct {
	not   bool
	field field // anywhere: each text field
	// One of these: text to find, folded, or a word from which others may differ by some
	// edits, an expression, or a test of the record.
	needle string
	edits  int
	regex  *regexp.Regexp
	test   func(*record.Record) bool
	values values // of what passes the test
	whole  bool   // what is tested is not in a brief record
	place  [2]int // where its value begins and ends in the text of the query
}

// All returns the query to which those runs answer that answer to each of some queries.
func All(queries ...*Query) *Query {
	all := new(Query)
	for _, q := range queries {
		if q.root.term == nil && !q.root.any {
			all.root.nodes = append(all.root.nodes, q.root.nodes...)
		} else {
			all.root.nodes = append(all.root.nodes, q.root)
		}
	}
	all.root.order()
	return all
}

// Match reports whether the run answers to the query. What could not be read of the
// run is in d.Err; then the answer is not to be relied on.
func (q *Query) Match(d *Doc) bool { return q.root.holds(d) }

// anyTerm reports whether there is a term of which something is true.
func (q *Query) anyTerm(is func(term) bool) bool {
	return !q.root.terms(func(t term) bool { return !is(t) })
}

// asked yields the terms whose text is looked for.
func (q *Query) asked(yield func(term) bool) {
	q.root.terms(func(t term) bool { return t.not || t.test != nil || yield(t) })
}

func (t term) holds(d *Doc) bool {
	if t.test != nil {
		return t.test(d.Record)
	}
	return slices.ContainsFunc(t.fields(d), func(f field) bool { return t.in(d, f) })
}

// fields returns the text fields of a run that the term is looked for in. What may be the
// beginning of a commit or of an id is looked for there as well, and error output in the output
// where both were one stream.
func (t term) fields(d *Doc) []field {
	if t.field == errorText && d.Record.ErrorsInOutput() {
		return []field{errorText, output}
	}
	if t.field != anywhere {
		return []field{t.field}
	}
	if t.edits > 0 {
		return wordTexts
	}
	if t.regex == nil && maybeName().MatchString(t.needle) {
		return withNames
	}
	return textFields
}

// maybeName is what may be the beginning of a commit, which git shortens to 7 digits at least, or
// of an id. Fewer digits would find tasks by an id in which they are by chance.
var maybeName = lazy.Regexp(`^([a-z][a-z0-9_-]{0,63}-)?[0-9a-f]{7}[0-9a-f-]{0,57}$`)

// named reports whether a field is found by its beginning alone.
func (t term) named(f field) bool { return f == commit || f == id && t.field == anywhere }

// beginning returns where in a field that is named the term is, -1 where it is not: at the
// beginning, in an id also after the executor.
func (t term) beginning(d *Doc, f field) int {
	s := d.folded(f)
	if strings.HasPrefix(s, t.needle) {
		return 0
	}
	uuid := d.Record.UID.UUID()
	if f == id && uuid != "" && strings.HasPrefix(uuid, t.needle) {
		return len(s) - len(uuid)
	}
	return -1
}

func (t term) in(d *Doc, f field) bool {
	switch {
	case t.regex != nil:
		return t.regex.MatchString(d.composed(f))
	case t.edits > 0:
		return t.hasSimilar(d.folded(f))
	case t.named(f):
		return t.beginning(d, f) >= 0
	}
	return strings.Contains(d.folded(f), t.needle)
}

// find returns the first places in a text field, as bytes of it, at which the term
// occurs: a beginning and an end each.
func (t term) find(d *Doc, f field, most int) [][]int {
	if t.regex != nil {
		found := t.regex.FindAllStringIndex(d.composed(f), most)
		if s := d.text(f); len(found) > 0 && s != d.composed(f) {
			for _, at := range found {
				at[0], at[1] = locate(s, norm.NFC.String, at[0], at[1])
			}
		}
		return found
	}
	if t.named(f) {
		at := t.beginning(d, f)
		if at < 0 {
			return nil
		}
		start, end := unfold(d.text(f), d.folded(f), at, at+len(t.needle))
		return [][]int{{start, end}}
	}
	var found [][]int
	folded := d.folded(f)
	if t.edits > 0 {
		t.similarWords(folded, func(from, to int) bool {
			start, end := unfold(d.text(f), folded, from, to)
			found = append(found, []int{start, end})
			return len(found) < most
		})
		return found
	}
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
	return q.anyTerm(func(t term) bool {
		return t.test == nil && (t.field == anywhere || t.field == output || t.field == errorText)
	})
}

// Brief reports whether a record.DecodeBrief has all that the query looks at.
func (q *Query) Brief() bool {
	return !q.Streams() && !q.anyTerm(func(t term) bool {
		return t.whole || slices.Contains([]field{commit, branch, inFiles, outFiles}, t.field) || t.edits > 0 && t.field == anywhere
	})
}

// cost says how dear it is to find out whether the term holds.
func (t term) cost() int {
	switch {
	case t.test != nil:
		return 0
	case t.field != anywhere && t.field != output && t.field != errorText:
		return 1
	case t.regex != nil || t.edits > 0:
		return 3
	}
	return 2
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

func hasOutcome(set record.Outcomes) func(*record.Record) bool {
	return func(r *record.Record) bool { return set.Has(r.Outcome(), r.Data.Status) }
}
