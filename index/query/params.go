package query

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"qme/record"
)

// Named are the fields of which each has a name after a dot: "param.lr:0.01", "metric.val/acc:>0.9". Without one they find what has
// such a name: "param:lr".
var Named = []string{"param", "metric"}

// A pair is a parameter or a metric.
type pair struct {
	name  string
	value record.MetricValue
}

// pairsOf returns the parameters or the metrics of a run.
func pairsOf(kind string, r *record.Record) (list []pair) {
	if kind == "param" {
		for _, p := range r.Data.Params {
			list = append(list, pair{p.Name, record.MetricValue(p.Value)})
		}
		return list
	}
	for _, m := range r.Data.Metrics {
		list = append(list, pair{m.Name, m.Value})
	}
	return list
}

// indexedPairs returns what an index holds of parameters or metrics: each name, and NAME=VALUE.
func indexedPairs(kind string) func(*record.Record) []string {
	return func(r *record.Record) (list []string) {
		for _, p := range pairsOf(kind, r) {
			list = append(list, p.name, cutValue(p.name+"="+string(p.value)))
		}
		return unique(list)
	}
}

// checkName checks the name of a parameter or a metric.
func checkName(kind, name string) error {
	if kind == "param" {
		return record.CheckParamName(name)
	}
	return record.CheckMetricName(name)
}

// has makes a condition that holds for runs with a parameter or a metric of a name.
func (p *parser) has(kind, name string, at int) (term, error) {
	if checkName(kind, name) != nil {
		err := p.errorAt(at, "%s: takes the name of one, not %.60q; its value is compared as in %s.NAME:0.9", kind, name, kind)
		if i := strings.IndexAny(name, "=<>!:"); i > 0 && checkName(kind, name[:i]) == nil {
			err.Msg += "; did you mean " + kind + "." + name[:i] + ":" + strings.TrimLeft(name[i:], "=:") + "?"
		}
		return term{}, err
	}
	return having(kind, name), nil
}

func having(kind, name string) term {
	short := cutValue(name)
	return term{whole: true, values: values{Leaf: Leaf{Field: kind, Prefix: short, Admits: func(v string) bool { return v == short }}}, test: func(r *record.Record) bool {
		return slices.ContainsFunc(pairsOf(kind, r), func(p pair) bool { return p.name == name })
	}}
}

// pair makes a condition on the value of a parameter or a metric: one that is equal, as a text or as a number, or one that
// compares so.
func (p *parser) pair(kind, name, value string, at int) (term, error) {
	o, want := cutOperator(value)
	if o == "" {
		o = "="
	}
	if n, ok := record.MetricValue(want).Number(); (!ok || math.IsNaN(n)) && o != "=" && o != "!=" {
		return term{}, p.errorAt(at, "%s.%s: compares numbers with %s, and %.60q is none; the text itself is %s.%s:\"=%.60s\"", kind, name, o, want, kind, name, value)
	}
	holds := func(v record.MetricValue) bool { return o.ofValues(v, record.MetricValue(want)) }
	prefix := name + "="
	return term{
		whole: true,
		test: func(r *record.Record) bool {
			return slices.ContainsFunc(pairsOf(kind, r), func(p pair) bool { return p.name == name && holds(p.value) })
		},
		// Of a value that is cut not all is known.
		values: values{Leaf: Leaf{Field: kind, Prefix: prefix, Admits: func(v string) bool {
			return len(v) >= longestValue || holds(record.MetricValue(strings.TrimPrefix(v, prefix)))
		}}},
	}, nil
}

// ofValues compares what is recorded with what is asked for: numbers by their value, as 0.01 and 1e-2, and texts as they are. A
// text is neither more nor less than anything, and so is NaN.
func (o operator) ofValues(v, want record.MetricValue) bool {
	if v == want {
		return o.holds(0)
	}
	a, isA := v.Number()
	b, isB := want.Number()
	switch {
	case !isA || !isB:
		return o == "!="
	case math.IsNaN(a) || math.IsNaN(b):
		return o == "=" && math.IsNaN(a) && math.IsNaN(b) || o == "!=" && math.IsNaN(a) != math.IsNaN(b)
	}
	return o.holds(compareNumbers(a, b, string(v), string(want)))
}

// compareNumbers compares whole numbers by all of their digits, such as seeds of 64 bits, and others as they are computed with.
func compareNumbers(a, b float64, textA, textB string) int {
	if c := cmp.Compare(a, b); c != 0 {
		return c
	}
	wholeA, isA := new(big.Int).SetString(textA, 10)
	wholeB, isB := new(big.Int).SetString(textB, 10)
	if isA && isB {
		return wholeA.Cmp(wholeB)
	}
	return 0
}

// singular writes the name of a field as the language has it: "params.lr" is "param.lr".
func singular(typed string) string {
	kind, rest, _ := strings.Cut(typed, ".")
	if kind = Meant(strings.ToLower(kind)); rest != "" && slices.Contains(Named, kind) {
		return kind + "." + rest
	}
	return typed
}

// groupOf returns the name of the group with which the task was given, none if there is none.
func groupOf(r *record.Record) []string {
	if r.Data.Group == nil {
		return nil
	}
	return []string{Fold(r.Data.Group.Name)}
}

// NamesOf returns the names that a run has of a kind: that of a Wanted.
func NamesOf(kind string, r *record.Record) (names []string) {
	if kind == GroupKind {
		return groupOf(r)
	}
	for _, p := range pairsOf(kind, r) {
		names = append(names, p.name)
	}
	return names
}

// Having returns the query for the runs that have a parameter or a metric, whatever its value, or that belong to a group.
func Having(one Wanted) *Query {
	t := having(one.Kind, one.Name)
	if one.Kind == GroupKind {
		t = oneOf(GroupKind, one.Name, groupOf)
	}
	return &Query{node{term: &t}}
}

// GroupKind is the kind of a Wanted that is a group.
const GroupKind = "group"

// A Wanted is a parameter, a metric or a group that is asked for. The Kind is one of Named, or GroupKind.
type Wanted struct{ Kind, Name string }

// ParseWanted reads KIND.NAME, such as "param.lr". The error wraps record.ErrInvalid.
func ParseWanted(text string) (Wanted, error) {
	kind, name, _ := strings.Cut(text, ".")
	if kind = strings.ToLower(kind); !slices.Contains(Named, kind) {
		return Wanted{}, fmt.Errorf("%w name of a parameter or a metric: %.120q is neither param.NAME nor metric.NAME", record.ErrInvalid, text)
	}
	return Wanted{kind, name}, checkName(kind, name)
}

// String returns KIND.NAME, or group:NAME.
func (w Wanted) String() string {
	if w.Kind == GroupKind {
		return w.Kind + ":" + w.Name
	}
	return w.Kind + "." + w.Name
}

// Of returns the value of a parameter or a metric of a run as it was written. ok is false if the run has none.
func (w Wanted) Of(r *record.Record) (value string, ok bool) {
	if w.Kind == "param" {
		return r.Data.Params.Get(w.Name)
	}
	m, ok := r.Data.Metrics.Get(w.Name)
	return string(m.Value), ok
}

// Wanted returns the parameters, metrics and groups for which a query asks, each once.
func (q *Query) Wanted() (list []Wanted) {
	q.root.terms(func(t term) bool {
		if one := (Wanted{t.values.Field, t.values.Prefix}); !t.not && (slices.Contains(Named, one.Kind) || one.Kind == GroupKind) {
			if one.Name, _, _ = strings.Cut(one.Name, "="); !slices.Contains(list, one) {
				list = append(list, one)
			}
		}
		return true
	})
	return list
}
