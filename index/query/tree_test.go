package query_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"qme/index/query"
	"qme/record"
)

// admits reports whether an index is asked for a run by a plan.
func admits(p *query.Plan, d *query.Doc) bool {
	switch {
	case p == nil:
		return true
	case p.Leaf != nil:
		return inLeaf(*p.Leaf, d)
	case len(p.All) > 0:
		return !slices.ContainsFunc(p.All, func(p *query.Plan) bool { return !admits(p, d) })
	}
	return slices.ContainsFunc(p.Any, func(p *query.Plan) bool { return admits(p, d) })
}

func inLeaf(l query.Leaf, d *query.Doc) bool {
	values := map[string]bool{}
	if l.Field == query.TextField || len(l.Grams) > 0 {
		d.EachGram(func(g string) { values[g] = true })
	}
	if l.Fuzzy > 0 {
		return hasWord(d, l.Prefix, l.Fuzzy)
	}
	for _, k := range query.Keywords {
		if k.Name == l.Field {
			for _, v := range k.Of(d.Record) {
				values[v] = true
			}
		}
	}
	if len(l.Grams) > 0 {
		return !slices.ContainsFunc(l.Grams, func(g string) bool { return !values[g] })
	}
	for v := range values {
		if strings.HasPrefix(v, l.Prefix) && (l.Admits == nil || l.Admits(v)) {
			return true
		}
	}
	return false
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]bool{
		"(train)": true, "(zzz)": false, "-(zzz)": true, "-(train)": false, "( train )": true, "((train))": true, "(train OR zzz) login1": true, "(train OR zzz) login2": false,
		"login1 (zzz OR train)": true, "(train zzz) OR login1": true, "(train zzz) OR login2": false, "(train login1) OR zzz": true, "-(train OR zzz)": false, "-(train zzz)": true,
		"-(zzz OR yyy)": true, "-(-(train))": true, "-(-train)": true, "-(-train OR -login1)": true, "train -(zzz (ada OR yyy))": true, "train -(login1 (ada OR yyy))": false,
		"(zzz OR (train -yyy)) (ada OR bob)": true, "((zzz OR train) (yyy OR ada))": true, "((zzz OR train) (yyy OR bob))": false, "train OR (zzz) yyy": false, "zzz OR (train) ada": true,
		`("no space" OR zzz)`: true, `("no  space" OR "z z")`: false, `(output:"last line" error:"no space")`: true, `-(output:"last line" "z")`: false, "(rc:3 failed)": true, "(failed)": true, "(-failed OR rc:3)": true,
		"(train AND login1)": true, "(train AND zzz)": false, "(on:2026-11-23 09:31)": true, "(on:2026-11-23 09:32) OR zzz": false, "(train OR on:2026-11-23 09:32)": true, "-(on:2026-11-23 09:31)": false,
		"(a(b))": false, "(train) (login1)": true, "-(a(b) OR zzz)": true, "(output:seed=42)": true, "(- OR zzz)": true, "zzz -(train)": false,
	} {
		if got := parse(t, q, false).Match(example()); got != want {
			t.Errorf("%s: %v, want %v", q, got, want)
		}
	}
	for text, list := range map[string][]string{
		"f(x) main() (int)x foo( g(h(1)) :( ((a)b)c": {"f(x)", "main()", "(int)x", "foo(", "g(h(1))", "(f(x) OR zzz)", "(zzz OR f(x))", "(main() g(h(1)))", ":(", "(foo( OR zzz)", "((f(x)))", "((a)b)c", "(f(x OR zzz)", `"(int)"`, "command:(int)x", "(int)x OR zzz", "((int)x)"},
		"x":                 {"-f(x)", "-(int)x", "-(f(x))", "-foo(", "-(foo( f(x))"},
		"no group: (a b) c": {`"(a b)"`, "(a b)", "(a) (b)", `command:"(a"`, `("(a" "b)")`},
	} {
		for _, q := range list {
			d := &query.Doc{Record: &record.Record{Command: text}}
			if !parse(t, q, false).Match(d) {
				t.Errorf("%s is not found in %s", q, text)
			}
		}
	}
	for q, want := range map[string]bool{
		"(?i)TRAIN": true, "(?i:TRAIN)": true, "(seed|zzz)=": true, "(seed|zzz)": true, "(zzz) OR (seed)": true, `(train seed=4[0-9])`: true, `\(train`: false, `zzz\)`: false, "[(t]rain": true, "(train|[)])": true,
		"-(zzz|yyy)": true, "(zzz|train)+": true, `("no space" OR zzz)`: true, "-(train OR zzz)": false, "(?i:TRAIN) (zzz OR (?i)SEED)": true, "([)] OR train)": true, `(train OR \))`: true,
	} {
		if got := parse(t, q, true).Match(example()); got != want {
			t.Errorf("--regex %s: %v, want %v", q, got, want)
		}
	}
}

func TestUnbalanced(t *testing.T) {
	t.Parallel()
	for q, c := range map[string]struct {
		at   int
		msg  string
		text string
	}{
		"(a": {0, "the ) that ends this group is missing", "(a"}, "b (a OR c": {2, `in quotes: "(a"`, "(a"}, "((a)": {0, "missing", "((a)"}, "a)": {1, "there is no ( for this )", "a)"}, ":)": {1, "no (", ":)"}, "(a OR b))": {8, "no (", "b))"},
		")": {0, "no (", ")"}, "a ) b": {2, "no (", ")"}, "()": {1, "nothing in these parentheses", ""}, "a ( )": {4, "nothing in these", ""}, "(a OR)": {3, "OR stands between two words", ""}, "(OR a)": {1, "OR stands", ""}, "(a OR AND)": {6, "a word is missing", ""},
		`"a")`: {3, "no (", ""}, `("a"b)`: {4, "behind a phrase comes a blank", ""}, "output:(nan OR inf)": {7, "(output:A OR output:B)", ""}, "(output:)": {8, "needs something", ""}, "output:)": {7, "no (", ""},
		"f(x))": {4, "no (", "f(x))"}, "(ERROR: loss)": {7, `"ERROR: loss"`, "ERROR: loss"}, "-foo)": {4, "no (", ""}, "(NOT a)": {1, "NOT is written as a dash", ""}, "(rc:x)": {4, "rc: takes a number", ""}, "a\u2003b)": {5, "no (", "b)"},
	} {
		_, err := query.Parse(q, query.Options{Now: now})
		var wrong *query.SyntaxError
		if !errors.As(err, &wrong) || wrong.Pos != c.at || !strings.Contains(wrong.Msg, c.msg) || wrong.Text != c.text {
			t.Errorf("%s: %+v, want an error at %d with %q, %q", q, wrong, c.at, c.msg, c.text)
		}
	}
}

// TestBounds has queries that nobody types be refused, or answered, in little time.
func TestBounds(t *testing.T) {
	t.Parallel()
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	for i, c := range []struct{ q, msg string }{
		{many("(", 10_000), "at most 50 parentheses"}, {many("(", 51) + "a" + many(")", 51), "at most 50 parentheses"}, {many("-(", 10_000), "at most 50"},
		{many("a ", 1001), "at most 1000 words"}, {"x" + many(" OR x", 1000), "at most 1000 words"}, {many("a", 1<<20), "at most 64 KiB"}, {many("(", 1<<20), "at most 64 KiB"}, {many("é", 40_000), "at most 64 KiB"},
		{many(")", 10_000), "no ("}, {many("() ", 10_000), "nothing in these"}, {"a" + many(")", 60_000), "no ("}, {`"` + many(`\"`, 30_000), "quotation mark"},
		{many("(", 50) + "a" + many(")", 50), ""}, {many("a ", 1000), ""}, {many("-(a OR ", 50) + "b" + many(")", 50), ""}, {`"` + many("a", 60_000) + `"`, ""}, {many("f(", 30_000), ""}, {"\x00 \xff(\xfe)", ""}, {"(\x00 OR \xff)", ""},
	} {
		q, err := query.Parse(c.q, query.Options{Now: now})
		var wrong *query.SyntaxError
		if c.msg == "" {
			if err != nil {
				t.Errorf("%d: %v", i, err)
				continue
			}
			if d := example(); q.Match(d) && !admits(q.Plan(), d) {
				t.Errorf("%d: the plan leaves it out", i)
			}
			continue
		}
		if !errors.As(err, &wrong) || !strings.Contains(wrong.Msg, c.msg) || len(wrong.Error()) > 500 || len(wrong.Explain()) > 500 {
			t.Errorf("%d: %.300s, want %s", i, err, c.msg)
		}
	}
}

// atoms are conditions of every kind, of which random queries are made.
var atoms = []string{"train", "zzz", "e", "in", `"no space"`, "login1", "-", "rc:3", "rc:<2", "failed", "running", "output:seed", "error:e", "on:2026-11-23", "before:2d", "duration:>1m", "commit:0123", "branch:moto", "user:ad", "executor:shell", "id:7d3e", "host:zzz", "0123456", "status:complete", "pwd:~", "main()", "run:3", "run:>3", "env:SEED", "env:SEED=41", "job:907484_7", "state:timeout", "partition:cpu", "memory:>1GB", "program:sort", "hash:0123456", "tag:paper", "name:base", "note:hot", "trian~", "sapce~2", "output:sead~", "kelvni~2", "user:aba~", "branch:mooto~"}

// A tree is a random query, with what it comes to.
type tree struct {
	text string
	want func(*query.Doc) bool
}

func randomTree(t testing.TB, rnd *rand.Rand, depth int, regex bool) tree {
	if depth == 0 || rnd.IntN(4) == 0 {
		text := atoms[rnd.IntN(len(atoms))]
		q := parse(t, text, regex)
		return tree{text, q.Match}
	}
	n := 1 + rnd.IntN(3)
	list := make([]tree, n)
	for i := range list {
		list[i] = randomTree(t, rnd, depth-1, regex)
		if rnd.IntN(4) == 0 && list[i].text != "-" {
			inner := list[i].want
			list[i] = tree{"-" + list[i].text, func(d *query.Doc) bool { return !inner(d) }}
		}
	}
	return joined(rnd, list)
}

// joined writes OR, AND or nothing between parts: OR binds closer.
func joined(rnd *rand.Rand, list []tree) tree {
	text := "(" + list[0].text
	all := [][]tree{{list[0]}}
	for _, next := range list[1:] {
		operator := []string{" ", " AND ", " OR "}[rnd.IntN(3)]
		text += operator + next.text
		if operator == " OR " {
			all[len(all)-1] = append(all[len(all)-1], next)
		} else {
			all = append(all, []tree{next})
		}
	}
	return tree{text + ")", func(d *query.Doc) bool {
		return !slices.ContainsFunc(all, func(some []tree) bool {
			return !slices.ContainsFunc(some, func(one tree) bool { return one.want(d) })
		})
	}}
}

// TestTrees compares queries with what their parts come to, and has an index be asked for
// each run that answers.
func TestTrees(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	yes, planned := 0, 0
	for i := range 5_000 {
		one := randomTree(t, rnd, 4, i%5 == 0)
		if strings.HasPrefix(one.text, "--") {
			continue
		}
		q := parse(t, one.text, i%5 == 0)
		d := withJob()
		if rnd.IntN(2) == 0 {
			d.Record.Data.Job, d.Record.Data.Env = nil, nil
			d.Record.Command, d.Record.Data.Output, d.Record.Data.Git = "zzz main()", nil, nil
		}
		got := q.Match(d)
		if got != one.want(d) {
			t.Fatalf("%s: %v", one.text, got)
		}
		if got {
			yes++
		} else if !admits(q.Plan(), d) {
			planned++
		}
		if got && !admits(q.Plan(), d) {
			t.Fatalf("%s: the index is not asked for this run: %s", one.text, shown(q.Plan()))
		}
	}
	if yes < 500 || planned < 200 {
		t.Errorf("%d queries are answered, and of %d the index says so: the test does not test", yes, planned)
	}
}

func shown(p *query.Plan) string {
	switch {
	case p == nil:
		return "anywhere"
	case p.Leaf != nil:
		return fmt.Sprintf("%s %q %q", p.Leaf.Field, p.Leaf.Prefix, p.Leaf.Grams)
	}
	var list []string
	for _, sub := range slices.Concat(p.All, p.Any) {
		list = append(list, shown(sub))
	}
	return fmt.Sprintf("%v(%s)", len(p.Any) > 0, strings.Join(list, "; "))
}

func TestAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		queries []string
		want    bool
	}{{nil, true}, {[]string{"zzz OR train", "login1 -zzz"}, true}, {[]string{"zzz OR train", "login2"}, false}, {[]string{"train", "zzz OR login2"}, false}, {[]string{"(zzz OR train) ada", "-(zzz OR yyy)", "rc:3"}, true}} {
		var list []*query.Query
		for _, s := range c.queries {
			list = append(list, parse(t, s, false))
		}
		all := query.All(list...)
		if got := all.Match(example()); got != c.want || got && !admits(all.Plan(), example()) {
			t.Errorf("%q: %v", c.queries, got)
		}
	}
}
