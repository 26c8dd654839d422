package query

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"qme/record"
)

// TextField is the field of an index that holds the grams of all that is searched of a run.
const TextField = "text"

// A Keyword is a field of an index that holds values of each run, as they are.
type Keyword struct {
	Name string
	Of   func(*record.Record) []string
}

// Keywords are the fields of an index beside TextField.
var Keywords = []Keyword{
	{"executor", one(func(r *record.Record) string { return r.Executor })},
	{"user", one(func(r *record.Record) string { return r.Data.User })},
	{"host", one(func(r *record.Record) string { return r.Data.Host })},
	{"pwd", one(func(r *record.Record) string { return r.Data.PWD })},
	{"commit", one(func(r *record.Record) string { return Fold(gitOf(r).Commit) })}, // by whose beginning it is found
	{"branch", one(func(r *record.Record) string { return gitOf(r).Branch })},
	{"status", one(func(r *record.Record) string { return r.Outcome().String() })},
	{"rc", one(returncodeOf)},
	{"duration", one(durationOf)},
	{"day", one(func(r *record.Record) string { return dayOf(r.Data.Timestamp.Time) })},
	{"run", one(func(r *record.Record) string { return strconv.Itoa(runNumber(r)) })},
	{"runid", runIDOf},
	{"env", envOf},
	{"job", jobsOf},
	{"state", cutAll(statesOf)},
	{"partition", cutAll(partitionsOf)},
	{"memory", one(memoryDigits)},
	{"program", cutAll(ProgramsOf)},
	{"software", cutAll(SoftwareOf)},
	{"container", cutAll(ContainersOf)},
	{"hash", indexedHashes},
	{"tag", cutAll(tagsOf)},
	{"name", cutAll(nameOf)},
	{"parent", parentsOf},
	{"origin", originsOf},
	{"group", groupOf},
	{"param", indexedPairs("param")},
	{"metric", indexedPairs("metric")},
}

func gitOf(r *record.Record) record.Git {
	if r.Data.Git == nil {
		return record.Git{}
	}
	return *r.Data.Git
}

// notKnown is the value of a run that has none.
const notKnown = "-"

func returncodeOf(r *record.Record) string {
	if code := r.Code(); code != nil {
		return strconv.Itoa(*code)
	}
	return notKnown
}

// active is the duration of what still runs: it grows.
const active = "active"

// durationOf returns the number of binary digits of a duration in milliseconds.
func durationOf(r *record.Record) string {
	if r.Active() {
		return active
	}
	took, ok := r.Took(time.Time{})
	if !ok {
		return notKnown
	}
	return strconv.Itoa(bits.Len64(uint64(max(took.Milliseconds(), 0))))
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// A Leaf says where in an index the runs are for which a term may hold: those with all
// Grams in TextField or, where there are none, those with a value of Field that begins with
// Prefix and that Admits, if it is not nil. With Fuzzy they are those with a value that differs
// by at most so many edits from Prefix.
type Leaf struct {
	Grams  []string
	Field  string
	Prefix string
	Fuzzy  int
	Admits func(value string) bool
}

// A Plan says where in an index the runs are that may answer to a query: at a Leaf, in All of
// some plans, or in one or more of them (Any). It has one of these.
type Plan struct {
	Leaf *Leaf
	All  []*Plan
	Any  []*Plan
}

// Plan returns where in an index the runs are that may answer to the query, nil where that
// may be anywhere.
func (q *Query) Plan() *Plan { return q.root.plan() }

// Exact reports whether all runs where Plan says answer to the query.
func (q *Query) Exact() bool {
	return !q.anyTerm(func(t term) bool { return t.test == nil || !t.values.exact })
}

// plan returns where the term may hold, nil where that may be anywhere.
func (t term) plan() *Plan {
	switch {
	case t.test != nil:
		return t.conditionPlan()
	case t.not:
		return nil
	case slices.Contains(keywordTexts, t.field):
		return leafPlan(t.keyword(t.field))
	case t.edits > 0:
		return leafPlan(Leaf{Field: WordsField, Prefix: t.needle, Fuzzy: t.edits})
	}
	inGrams := t.gramPlan()
	if t.field != anywhere || inGrams == nil {
		return inGrams
	}
	any := []*Plan{inGrams}
	for _, f := range t.fields(nil) {
		if slices.Contains(keywordTexts, f) {
			any = append(any, leafPlan(t.keyword(f)))
		}
	}
	return &Plan{Any: any}
}

func leafPlan(l Leaf) *Plan { return &Plan{Leaf: &l} }

// gramPlan is plan among the texts of which there are grams.
func (t term) gramPlan() *Plan {
	var l Leaf
	switch {
	case t.regex != nil:
		if l.Grams = grams(appendRequired(nil, t.regex.String())); len(l.Grams) == 0 {
			return nil
		}
	case utf8.RuneCountInString(t.needle) < gramSize:
		l = Leaf{Field: TextField, Prefix: t.needle}
	default:
		l.Grams = grams([]string{t.needle})
	}
	return leafPlan(l)
}

// keyword is plan for a text that is a keyword.
func (t term) keyword(f field) Leaf {
	l := Leaf{Field: string(f)}
	switch {
	case t.regex != nil:
		l.Admits = func(v string) bool { return t.regex.MatchString(norm.NFC.String(strings.ToValidUTF8(v, "\ufffd"))) }
	case t.edits > 0:
		l.Admits = func(v string) bool { return t.hasSimilar(Fold(v)) }
	case f == commit:
		l.Prefix = t.needle
	default:
		l.Admits = func(v string) bool { return strings.Contains(Fold(v), t.needle) }
	}
	return l
}

// conditionPlan is plan of a condition. What is more than a value says can only be left out
// where the value is all there is to it.
func (t term) conditionPlan() *Plan {
	if t.values.Field == "" || t.not && !t.values.exact {
		return nil
	}
	l := t.values.Leaf
	if t.not {
		admits := l.Admits
		l.Admits = func(v string) bool { return !admits(v) }
	}
	return leafPlan(l)
}

// values are the values of a keyword of the runs for which a condition holds; exact says
// that it holds for all runs with one of them.
type values struct {
	Leaf
	exact bool
}

func statusValues(admits func(record.Outcome) bool, exact bool) values {
	return values{Leaf{Field: "status", Admits: func(v string) bool {
		o, ok := record.ParseOutcome(v)
		return !ok || admits(o)
	}}, exact}
}

func returncodeValues(o operator, n int) values {
	return values{Leaf{Field: "rc", Admits: func(v string) bool {
		code, err := strconv.Atoi(v)
		return err == nil && o.holds(cmp.Compare(code, n))
	}}, true}
}

func durationValues(o operator, d time.Duration) values {
	return values{Leaf: Leaf{Field: "duration", Admits: func(v string) bool {
		n, err := strconv.Atoi(v)
		if err != nil {
			return v == active
		}
		ms := uint64(d.Milliseconds())
		if o == "<" || o == "<=" { // the least that has so many digits
			return n == 0 || uint64(1)<<(n-1) <= ms
		}
		return uint64(1)<<n > ms
	}}}
}

func timeValues(from, to time.Time) values {
	first, last := "", "~"
	if !from.IsZero() {
		first = dayOf(from)
	}
	if !to.IsZero() {
		last = dayOf(to)
	}
	return values{Leaf: Leaf{Field: "day", Admits: func(v string) bool { return v >= first && v <= last }}}
}
