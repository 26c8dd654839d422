package query

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"qme/internal/lazy"
	"qme/record"
)

// cutValue returns what an index holds of a value that may be long.
func cutValue(s string) string { return s[:min(len(s), longestValue)] }

const longestValue = 200

// env makes a condition on an environment variable: NAME, or NAME=VALUE.
func (p *parser) env(value string, at int) (term, error) {
	value = strings.ToValidUTF8(value, "\ufffd")
	name, want, hasValue := strings.Cut(value, "=")
	if name == "" {
		return term{}, p.errorAt(at, "env: takes NAME, or NAME=VALUE, not %.60q", value)
	}
	if i := strings.IndexAny(name, "!<>"); i > 0 {
		return term{}, p.errorAt(at, "env: compares with = alone, and %.60q does not; a dash before env: means \"not\"", value)
	}
	return variable(name, want, hasValue), nil
}

func variable(name, want string, hasValue bool) term {
	prefix := cutValue(name + "=" + want)
	l := Leaf{Field: "env", Prefix: prefix}
	if hasValue {
		l.Admits = func(v string) bool { return v == prefix }
	}
	return term{whole: true, values: values{Leaf: l}, test: func(r *record.Record) bool {
		got, ok := r.Data.Env[name]
		return ok && (!hasValue || got == want)
	}}
}

func envOf(r *record.Record) []string {
	var list []string
	for name, value := range r.Data.Env {
		list = append(list, cutValue(name+"="+value))
	}
	return unique(list)
}

// unique sorts the values and leaves each once.
func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// runPrefix is how many characters of the id of a run are named at least, and how many of
// them an index holds.
const runPrefix = 8

var runID = lazy.Regexp(`^[0-9a-f][0-9a-f-]{7,35}$`)

// run makes a condition on the number of a run, or on the beginning of its id.
func (p *parser) run(value string, at int) (term, error) {
	o, rest := cutOperator(value)
	if n, err := strconv.Atoi(rest); err == nil && n >= 0 && (o != "" || len(rest) < runPrefix) {
		return term{test: func(r *record.Record) bool { return o.holds(cmp.Compare(runNumber(r), n)) }, values: values{Leaf{Field: "run", Admits: func(v string) bool {
			number, err := strconv.Atoi(v)
			return err == nil && o.holds(cmp.Compare(number, n))
		}}, true}}, nil
	}
	prefix := strings.ToLower(value)
	if !runID().MatchString(prefix) {
		return term{}, p.errorAt(at, "run: takes a number such as 2 or >1, or the id of a run or its first %d characters or more, not %.60q", runPrefix, value)
	}
	return term{test: func(r *record.Record) bool { return strings.HasPrefix(string(r.Data.RunID), prefix) }, values: values{Leaf: Leaf{Field: "runid", Prefix: prefix[:runPrefix]}}}, nil
}

// runNumber is 1 of a run that has none.
func runNumber(r *record.Record) int { return max(1, r.Data.Run) }

func runIDOf(r *record.Record) []string {
	return []string{string(r.Data.RunID[:min(len(r.Data.RunID), runPrefix)])}
}

// jobMarks end the id of a job in that of a part of it.
const jobMarks = "_+.["

// job makes a condition on the id of a job, or of a part of one.
func job(id string) term {
	head := jobHead(id)
	return term{whole: true, values: values{Leaf: Leaf{Field: "job", Prefix: head, Admits: func(v string) bool { return v == head }}}, test: func(r *record.Record) bool {
		is := func(one string) bool {
			rest, ok := strings.CutPrefix(one, id)
			return ok && (rest == "" || strings.IndexByte(jobMarks, rest[0]) >= 0)
		}
		j := r.Data.Job
		return j != nil && (is(j.ID) || slices.ContainsFunc(j.Elements, func(e record.JobElement) bool { return is(e.ID) }))
	}}
}

// jobHead returns the id without what names a part, as an index holds it.
func jobHead(id string) string {
	if id != "" {
		if i := strings.IndexAny(id[1:], jobMarks); i >= 0 {
			id = id[:i+1]
		}
	}
	return cutValue(id)
}

func jobsOf(r *record.Record) []string {
	j := r.Data.Job
	if j == nil {
		return nil
	}
	list := []string{jobHead(j.ID)}
	for _, e := range j.Elements {
		if head := jobHead(e.ID); head != list[len(list)-1] {
			list = append(list, head)
		}
	}
	return unique(list)
}

// oneOf makes a condition that holds for runs of which one of some words is this one, in
// upper or lower case.
func oneOf(name, word string, of func(*record.Record) []string) term {
	word = Fold(word)
	short := cutValue(word)
	return term{whole: true, values: values{Leaf: Leaf{Field: name, Prefix: short, Admits: func(v string) bool { return v == short }}}, test: func(r *record.Record) bool {
		return slices.Contains(of(r), word)
	}}
}

// statesOf returns the words of the scheduler for the state of a job, and for those of its
// parts: as they are, and without what says more, as in "CANCELLED by 1000" and "CANCELLED+".
func statesOf(r *record.Record) []string {
	j := r.Data.Job
	if j == nil {
		return nil
	}
	var list []string
	last := ""
	add := func(state string) {
		if state == last {
			return
		}
		last = state
		whole := Fold(strings.TrimSpace(state))
		first, _, _ := strings.Cut(whole, " ")
		for _, s := range []string{whole, strings.TrimRight(first, "+")} {
			if s != "" {
				list = append(list, s)
			}
		}
	}
	add(j.State)
	for _, e := range j.Elements {
		add(e.State)
	}
	return unique(list)
}

// partitionsOf returns the partitions of a job, which may wait in several.
func partitionsOf(r *record.Record) []string {
	if r.Data.Job == nil {
		return nil
	}
	var list []string
	for p := range strings.SplitSeq(r.Data.Job.Partition, ",") {
		if p = Fold(strings.TrimSpace(p)); p != "" {
			list = append(list, p)
		}
	}
	return unique(list)
}

// tagsOf returns the tags of the task.
func tagsOf(r *record.Record) []string {
	tags := slices.Clone(r.Notes.Tagged())
	for i, tag := range tags {
		tags[i] = Fold(tag)
	}
	return unique(tags)
}

// nameOf returns the name that a user has given to the task, none if there is none.
func nameOf(r *record.Record) []string {
	if name := r.Notes.Named(); name != "" {
		return []string{name}
	}
	return nil
}

// idOf makes a condition on the beginning of the id of another task, with or without its executor.
func idOf(name, id string, of func(*record.Record) []string) term {
	id = strings.ToLower(id)
	return term{whole: true, values: values{Leaf: Leaf{Field: name, Prefix: cutValue(id)}}, test: func(r *record.Record) bool {
		return slices.ContainsFunc(of(r), func(v string) bool { return strings.HasPrefix(v, id) })
	}}
}

// parentsOf returns the id of the task whose command gave a run, and originsOf that of the task whose command was changed to
// make the run's, each with its executor and without.
func parentsOf(r *record.Record) []string { return idsOf(r.Data.Parent) }

func originsOf(r *record.Record) []string { return idsOf(r.Data.Origin) }

func idsOf(p *record.Parent) []string {
	if p == nil {
		return nil
	}
	return unique([]string{string(p.UID), p.UID.UUID()})
}

// cutAll returns values as an index holds them.
func cutAll(of func(*record.Record) []string) func(*record.Record) []string {
	return func(r *record.Record) []string {
		list := of(r)
		for i, v := range list {
			list[i] = cutValue(v)
		}
		return unique(list)
	}
}

// one makes a list of one value.
func one(of func(*record.Record) string) func(*record.Record) []string {
	return func(r *record.Record) []string { return []string{of(r)} }
}
