package query_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"qme/index/query"
	"qme/record"
)

// hasWord reports whether a run has a word at most so many edits from another one, by the
// definition.
func hasWord(d *query.Doc, word string, edits int) (found bool) {
	d.EachWord(func(s string) { found = found || osa([]rune(s), []rune(word)) <= edits })
	return found
}

// osa is the distance of two words as the definition has it, by recursion.
func osa(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	x, y := a[len(a)-1], b[len(b)-1]
	if x == y {
		return osa(a[:len(a)-1], b[:len(b)-1])
	}
	d := 1 + min(osa(a[:len(a)-1], b), osa(a, b[:len(b)-1]), osa(a[:len(a)-1], b[:len(b)-1]))
	if len(a) > 1 && len(b) > 1 && a[len(a)-2] == y && b[len(b)-2] == x {
		d = min(d, 1+osa(a[:len(a)-2], b[:len(b)-2]))
	}
	return d
}

func TestSimilar(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]bool{
		"train~": true, "trian~": true, "tran~": true, "traain~": true, "trajn~": true, "rain~": true, "tarni~": false, "tarni~2": true, "tra~2": true, "tra~": false, "TRIAN~": true, "trian~1": true, "-trian~": false, "-zzz~": true,
		"sapce~": true, "output:sapce~": false, "error:sapce~": true, "command:trian~": true, "message:grosse~2": false, "message:groesse~2": false, "message:grsse~2": true, "message:gröse~": true, "kevlin~": false, "kkevlin~": true, "feture~": true, "branch:feture~": true, "hoem~": true, "pwd:hoem~": true,
		"loginn~": false, "host:loginn~": true, "user:aad~": true, "executor:shall~": true, "host:zzzzz~": false, "(trian~ OR zzz)": true, "(zzz OR trian~) ada": true, `"train~"`: false, "~": false, "seed~ 42": true,
		"pwd:~": true, "pwd:~/proj": true,
	} {
		d := example()
		one := parse(t, q, false)
		if got := one.Match(d); got != want {
			t.Errorf("%s: %v, want %v", q, got, want)
		} else if got && !admits(one.Plan(), d) {
			t.Errorf("%s: the index is not asked for this run", q)
		}
	}
	d := example()
	d.Record.Command = "x moto~ ab~ Ελληνικά ειδικα"
	for _, q := range []string{`"moto~"`, `command:"ab~"`, "~", "motto~", "ελληνκά~", "ΕΛΛΗΝΙΚΆΣ~", "ιδικα~"} {
		if !parse(t, q, false).Match(d) {
			t.Errorf("%s is not found", q)
		}
	}
	if !parse(t, "to~", true).Match(d) {
		t.Error("an expression with a tilde is not found")
	}
	if parse(t, "trian~", false).Brief() || !parse(t, "command:trian~", false).Brief() || !parse(t, "trian~", false).Streams() {
		t.Error("what a similar word is looked for in is not read")
	}
	for q, c := range map[string]struct {
		at   int
		msg  string
		text string
	}{
		"ab~": {0, `"ab" is shorter; as text it is in quotes: "ab~"`, "ab~"}, "a ab~2": {2, "is shorter", "ab~2"}, "main.go~": {0, "has other characters", "main.go~"}, "command:x-y-z~": {8, `other characters; as text it is in quotes: "x-y-z~"`, ""},
		"moto~3": {0, "by one letter (~) or by two (~2), not by 3", "moto~3"}, "moto~0": {0, "not by 0", "moto~0"}, "moto~~": {0, "other characters", "moto~~"}, strings.Repeat("a", 23) + "~": {0, "is longer", strings.Repeat("a", 23) + "~"},
		"2026~": {0, "begins with no letter", "2026~"}, "id:shell~": {3, "id: has none", ""}, "commit:abc~": {7, "commit: has none", ""}, "rc:1~": {3, "rc: takes", ""}, "a\xffb~": {0, "other characters", "a\xffb~"}, "status:faild~": {7, "status: is one of", ""},
	} {
		_, err := query.Parse(q, query.Options{Now: now, Home: "/h"})
		var wrong *query.SyntaxError
		if !errors.As(err, &wrong) || wrong.Pos != c.at || !strings.Contains(wrong.Msg, c.msg) || wrong.Text != c.text {
			t.Errorf("%s: %+v, want an error at %d with %q, %q", q, wrong, c.at, c.msg, c.text)
		}
	}
}

func TestSimilarHits(t *testing.T) {
	t.Parallel()
	hits := parse(t, "kkelvni~", false).Hits(example())
	if len(hits) != 1 || hits[0].Field != "output" || hits[0].Line != 2 || hits[0].Match != "K\u212Aelvin" || hits[0].Before+hits[0].After != "" {
		t.Errorf("%+v", hits)
	}
	q := parse(t, "trian~", false)
	if d := example(); q.Relevance(d) <= parse(t, "sapce~", false).Relevance(d) {
		t.Error("a word in the command counts no more than one in the error output")
	}
}

func TestEachWord(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ab", 12)
	d := &query.Doc{Record: &record.Record{Command: "Train_T1w 01_x --lr=3e-4 a ab 日本語 cafe\u0301 " + long + " " + long + "x", Data: record.Data{Message: "msg", PWD: "/home/ada", User: "user", Host: "host",
		Git: &record.Git{Branch: "main-2", Commit: "abc"}, Output: []string{"out\x1b[31mput\n"}, Error: []string{"err"}}}}
	var got []string
	d.EachWord(func(s string) { got = append(got, s) })
	want := []string{"train", "t1w", "lr", "ab", "日本語", query.Fold("café"), long, "msg", "home", "ada", "main", "output", "err"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSimilarWords compares the quick way to compare words with the definition.
func TestSimilarWords(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 8))
	letters := []rune("abcéß日1")
	word := func(least, most int) string {
		b := make([]rune, least+rnd.IntN(most-least+1))
		for i := range b {
			b[i] = letters[rnd.IntN(len(letters))]
		}
		if !unicode.IsLetter(b[0]) {
			b[0] = 'a'
		}
		return string(b)
	}
	found := 0
	for range 20_000 {
		asked, other, suffix := word(3, 7), word(2, 7), []string{"~", "~2"}[rnd.IntN(2)]
		got := parse(t, asked+suffix, false).Match(&query.Doc{Record: &record.Record{Command: other}})
		if want := osa([]rune(query.Fold(asked)), []rune(query.Fold(other))) <= len(suffix); got != want {
			t.Fatalf("%s%s in %s: %v", asked, suffix, other, got)
		}
		if got {
			found++
		}
	}
	if found < 500 {
		t.Errorf("%d were found: the test does not test", found)
	}
}
