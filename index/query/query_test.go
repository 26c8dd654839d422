package query_test

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"qme/index/query"
	"qme/record"
)

var (
	zone = time.FixedZone("", 3600)
	now  = time.Date(2026, 11, 23, 12, 0, 0, 0, zone)
)

// example is a run that began at 09:31:00 and took 90 seconds.
func example() *query.Doc {
	code := 3
	at := record.Time{Time: time.Date(2026, 11, 23, 9, 31, 0, 0, zone)}
	end := record.Time{Time: at.Add(90 * time.Second)}
	r := &record.Record{Executor: "shell", UID: "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", Command: `train --lr=3e-4 01_T1w.nii.gz "x y"`, Data: record.Data{
		Git: &record.Git{Commit: "0123456789abcdef0123456789abcdef01234567", Branch: "feature/Moto"},
		PWD: "/home/ada/proj/a", User: "ada", Host: "login1", Message: "Größe 12:30", Timestamp: at, Finished: &end, Duration: 90, ReturnCode: &code,
		Status: record.Complete, Output: []string{"seed=42\n", "K\u212Aelvin\n", "last line"}, Error: []string{"no space left\n", "on device\n"}}}
	r.Data.Files = &record.Files{In: []record.File{{Path: "sub-01/T1w.nii"}, {Path: "/data/Atlas.nii"}}, Out: []record.File{{Path: "figs/fig 1.png"}}}
	return &query.Doc{Record: r}
}

func parse(t testing.TB, s string, regex bool) *query.Query {
	t.Helper()
	q, err := query.Parse(s, query.Options{Regex: regex, Now: now, Home: "/home/ada"})
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return q
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]bool{
		"train": true, "TRAIN": true, "rain": true, "trains": false, "train login1": true, "train login2": false,
		"--lr=3e-4": true, "--lr=3e-5": false, "01_T1w.nii.gz": true, "-pilot": true, "-train": false, "train -pilot": true, "train -ada": false,
		`"no space left"`: true, `"space  left"`: false, `-"no space"`: false, `"\"x y\""`: true, `"a\\b"`: false, "\"left\non\"": true, `x"y`: false,
		"größe": true, "GRÖSSE": false, "GRÖẞE": true, "k\u212Ae": true, "kke": true, "KKE": true, "12:30": true, "e": true, "=4": true, "é": false, "-": true, "- train": true,
		"command:train": true, "output:train": false, "COMMAND:train": true, "message:GRÖ": true, "error:SPACE": true, "output:last": true, "-output:last": false,
		"pwd:~/proj": true, "pwd:~": true, "pwd:~ada": false, "user:ad": true, "host:login": true, "executor:shell": true, "executor:slurm": false, "id:019aaf3c": true,
		"019aaf3c": true, `output:"last line"`: true, `output:"line last"`: false, "http://x": false, "status:complete": true, "status:running": false, "status:FAILED": true,
		"failed": true, "-failed": false, "running": false, "-running": true, `"failed"`: false, "-rc:3": false,
		"rc:3": true, "rc:=3": true, "rc:!=3": false, "rc:>0": true, "rc:>=3": true, "rc:<3": false, "rc:<=2": false, "rc:-1": false,
		"duration:>1m": true, "duration:>=90": true, "duration:<90s": false, "duration:<0.5d": true, "duration:<=1m30s": true,
		"after:2026-11-23": true, "before:2026-11-23": false, "on:2026-11-23": true, "on:2026-11": true, "on:2026": true, "on:2025": false, "on:2026-11-22": false,
		"after:2026-11-23T09:31": true, "after:2026-11-23T09:31:01": false, "before:2026-11-23T09:31:01": true, "on:2026-11-23T09:31": true, "on:2026-11-23t09": true,
		"after:2026-11-23T08:31:00Z": true, "before:2026-11-23T08:31:00Z": false, `after:"2026-11-23 09:30"`: true, "on:today": true, "on:yesterday": false, "after:yesterday": true,
		"after:2026-11-23 09:31": true, "after:2026-11-23 9:32": false, "before:2026-11-23 09:31:30 train": true, "on:2026-11-23 09:31 -zzz": true, "on:today 09:31": true, "on:yesterday 09:31": false,
		"after:2026-11-23 08:31Z": true, "after:2026-11-23 \"09:32\"": false, "after:2026-11-23 12:30x": false, "after:2026-11 12:30": true, "-after:2026-11-23 09:32": true,
		"train OR zzz": true, "zzz OR train": true, "zzz OR yyy": false, "train zzz OR login1": true, "zzz OR train login2": false, "zzz OR train OR yyy ada": true, "zzz OR -yyy": true, "zzz or train": false,
		`"OR"`: false, `"ON" OR zzz`: true, `"train OR zzz"`: false, "train AND login1": true, "train AND zzz": false, "zzz OR status:failed": true, "status:cancelled OR rc:3": true, "running OR rc:4": false, "ORDER": false, "zzz OR output:seed": true,
		"status:ok": false, "status:succeeded": false, "-status:success": true, "status:cancelled": false, "status:unknown": false, "status:Failed": true,
		"commit:0123": true, "commit:0123456789ABCDEF": true, "commit:1234": false, "0123456": true, "0123456789abcdef0123456789abcdef01234567": true, "1234567": false, "012345": false, "0123456 -zzz": true,
		"in:t1w": true, "in:/home/ada/proj/a/sub-01/": true, "in:~/proj": true, "in:fig": false, "-in:fig": true, "in:/data/atlas.nii": true, "out:fig": true, `out:"fig 1"`: true, "out:atlas": false, "figs/": false, "in:nii -out:nii": true, "in:nii/data": false,
		"branch:moto": true, "branch:feature/": true, "feature/moto": false,
		"before:today": false, "after:3h": true, "after:2h": false, "before:2h": true, "after:2d": true, "on:0d": true, "on:1d": false, "after:1mo": true, "before:1y": false, "after:1w": true, "before:now": true,
	} {
		if got := parse(t, q, false).Match(example()); got != want {
			t.Errorf("%s: %v, want %v", q, got, want)
		}
	}
	for q, want := range map[string]bool{
		`seed=(4[0-9])\b`: true, `seed=4\b`: false, "Train": false, "(?i)Train": true, "^last": true, "left$": true, "left.on": false, `left\non`: true, `command:^seed`: false,
		`-"no space"`: false, `"no\s+space"`: true, `\"x`: true, `""`: false, "pwd:^~": false, "pwd:~/proj": true, "a|zzz": true, "^$": true, `"\\."`: false,
	} {
		if q == `""` {
			continue
		}
		if got := parse(t, q, true).Match(example()); got != want {
			t.Errorf("--regex %s: %v, want %v", q, got, want)
		}
	}
}

// TestDays has days begin where they do, where clocks are put forward or back at midnight.
func TestDays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, now, at string // at is when the run began
		yes, no       []string
	}{
		{"America/Santiago", "2026-09-06T12:00:00-03:00", "2026-09-05T23:30:00-04:00",
			[]string{"on:2026-09-05", "before:2026-09-06", "before:today", "on:yesterday", "on:1d"}, []string{"on:2026-09-06", "after:2026-09-06", "on:today", "after:today"}},
		{"America/Santiago", "2026-09-06T12:00:00-03:00", "2026-09-06T01:00:00-03:00",
			[]string{"on:2026-09-06", "after:2026-09-06", "on:today"}, []string{"on:2026-09-05", "before:2026-09-06", "on:yesterday"}},
		{"America/Santiago", "2026-04-05T12:00:00-04:00", "2026-04-04T23:30:00-04:00", // the second time
			[]string{"on:2026-04-04", "on:yesterday", "before:today"}, []string{"on:2026-04-05", "after:today"}},
		{"America/Havana", "2026-11-01T12:00:00-05:00", "2026-11-01T00:30:00-04:00", // the first time
			[]string{"on:2026-11-01", "after:2026-11-01", "on:today", "on:2026-11", "on:2026-11-01T00:30"}, []string{"on:2026-10-31", "before:2026-11-01", "on:2026-10", "on:yesterday"}},
		{"America/New_York", "2026-11-01T12:00:00-05:00", "2026-11-01T01:30:00-05:00", // the second time
			[]string{"on:2026-11-01T01", "before:2026-11-01T02:00"}, []string{"on:2026-11-01T00"}},
		{"America/Sao_Paulo", "2018-11-04T12:00:00-02:00", "2018-11-03T23:59:59-03:00", []string{"before:today", "on:2018-11-03"}, []string{"on:today", "on:2018-11-04"}},
		{"UTC", "2026-03-31T12:00:00Z", "2026-03-01T12:00:00Z", []string{"after:1mo"}, []string{"before:1mo", "on:1mo"}},
		{"UTC", "2026-03-31T12:00:00Z", "2026-02-28T12:00:00Z", []string{"after:1mo", "on:1mo"}, []string{"before:1mo"}},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		when, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		began, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		d := &query.Doc{Record: &record.Record{Data: record.Data{Timestamp: record.Time{Time: began}}}}
		for _, list := range [][]string{c.yes, c.no} {
			for _, s := range list {
				q, err := query.Parse(s, query.Options{Now: when.In(loc)})
				if err != nil {
					t.Fatal(err)
				}
				if got := q.Match(d); got != slices.Contains(c.yes, s) {
					t.Errorf("%s: %s of a run at %s: %v", c.zone, s, c.at, got)
				}
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for q, at := range map[string]int{
		"": 0, "  ": 2, "a outputs:x": 2, "a -foo:x": 3, `a "b c`: 2, `"a"b`: 3, `""`: 0, "command:": 8, "a rc:x": 5, "rc:>": 3, "rc:1.5": 3, "duration:5s": 9, "duration:>x": 9, "duration:>-1s": 9,
		"duration:>nan": 9, "after:": 6, "after:soon": 6, "on:2026-13-01": 3, "on:5x": 3, "before:99999999d": 7, "status:done": 7, "OR": 0, "a OR": 2, "OR a": 0, "a OR OR b": 5, "AND": 0, "a AND OR b": 6, "NOT a": 0, "a NOT b": 2, "a OR NOT b": 5, `output:""`: 7,
		"env:=x": 4, "env:": 4, "run:x": 4, "run:019aaf": 4, "run:-1": 4, "run:1.5": 4, "run:>x": 4, "run:019aaf3z": 4, "job:": 4, "a state:": 8, "run:>019aaf3c": 4,
	} {
		_, err := query.Parse(q, query.Options{Now: now})
		var wrong *query.SyntaxError
		if !errors.As(err, &wrong) || wrong.Pos != at || !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%s: %v, want an error at %d", q, err, at)
		}
	}
	if _, err := query.Parse(`a output:(`, query.Options{Regex: true, Now: now}); err == nil || !strings.Contains(err.Error(), "missing closing )") {
		t.Errorf("an expression that is none: %v", err)
	}
}

func TestHits(t *testing.T) {
	t.Parallel()
	hits := parse(t, "failed -KELVIN rc:>0", false).Hits(example())
	if hits != nil {
		t.Errorf("%+v", hits)
	}
	hits = parse(t, "kkel -zzz", false).Hits(example())
	if len(hits) != 1 || hits[0].Field != "output" || hits[0].Line != 2 || hits[0].Before != "" || hits[0].Match != "K\u212Ael" || hits[0].After != "vin" {
		t.Errorf("%+v", hits)
	}
	hits = parse(t, "[0-9]+$", true).Hits(example())
	if len(hits) < 2 || hits[0].Match != "30" || hits[0].Before != "Größe 12:" {
		t.Errorf("%+v", hits)
	}
	d := example()
	d.Record.Data.Output = []string{strings.Repeat("é", 1000) + "needle" + strings.Repeat("é", 1000)}
	h := parse(t, "needle", false).Hits(d)[0]
	if utf8.RuneCountInString(h.Before) != query.Around || utf8.RuneCountInString(h.After) != query.Around || h.Match != "needle" {
		t.Errorf("%+v", h)
	}
}

// letters have the odd cases of folding among them.
var letters = []rune("aAbBkK\u212AsSſßẞéÉσςΣµμİıiI \n.-=/_:0123\u0301日本𝔘\ufffd")

func randomText(rnd *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteRune(letters[rnd.IntN(len(letters))])
	}
	return b.String()
}

// TestFold compares with strings.EqualFold at each position.
func TestFold(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 5000 {
		text, needle := randomText(rnd, rnd.IntN(60)), randomText(rnd, 1+rnd.IntN(3))
		want := naive(norm.NFC.String(text), norm.NFC.String(needle))
		d := &query.Doc{Record: &record.Record{Command: text}}
		q := parse(t, `command:"`+needle+`"`, false)
		if q.Match(d) != want {
			t.Fatalf("%q in %q: want %v", needle, text, want)
		}
		if !want {
			continue
		}
		if again := parse(t, `command:"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace("(?i)"+regexp.QuoteMeta(needle))+`"`, true); again.Match(d) {
			if h := again.Hits(d)[0]; !naive(norm.NFC.String(text[h.Start:h.End]), norm.NFC.String(needle)) {
				t.Fatalf("the expression %q in %q is found at %q", needle, text, text[h.Start:h.End])
			}
		}
		found++
		h := q.Hits(d)[0]
		if got := text[h.Start:h.End]; !naive(norm.NFC.String(got), norm.NFC.String(needle)) || utf8.RuneCountInString(got) > utf8.RuneCountInString(needle)+20 {
			t.Fatalf("%q in %q is found at %q", needle, text, text[h.Start:h.End])
		}
		if p := q.Plan(); p == nil || !admits(p, d) {
			t.Fatalf("%q in %q: that is not where the index is asked", needle, text)
		}
	}
	if found < 100 {
		t.Errorf("only %d were found", found)
	}
}

func naive(text, needle string) bool {
	n := utf8.RuneCountInString(needle)
	runes := []rune(text)
	for i := 0; i+n <= len(runes); i++ {
		if strings.EqualFold(string(runes[i:i+n]), needle) {
			return true
		}
	}
	return false
}

// TestComposed has letters be found however they are composed, and what is shown be as it was.
func TestComposed(t *testing.T) {
	t.Parallel()
	const composed, apart = "caf\u00e9 \u30ac \ud55c x", "cafe\u0301 \u30ab\u3099 \u1112\u1161\u11ab x"
	for _, c := range []struct{ text, query, match string }{
		{composed, "CAFE\u0301", "caf\u00e9"}, {apart, "caf\u00c9", "cafe\u0301"}, {apart, "caf\u00e9", "cafe\u0301"}, {apart, "x", "x"},
		{apart, "\u30ac", "\u30ab\u3099"}, {composed, "\u30ab\u3099", "\u30ac"}, {apart, "\ud55c", "\u1112\u1161\u11ab"},
		{composed, "cafe", ""}, {apart, "cafe", ""}, {"a\u0316\u0301b", "\u00e1\u0316", "a\u0316\u0301"},
	} {
		for _, regex := range []bool{false, true} {
			text := c.query
			if regex {
				text = "(?i)" + text
			}
			q := parse(t, text, regex)
			d := &query.Doc{Record: &record.Record{Command: c.text}}
			if q.Match(d) != (c.match != "") {
				t.Errorf("%+q in %+q: %v", text, c.text, c.match == "")
			}
			if h := q.Hits(d); c.match != "" && (len(h) != 1 || h[0].Match != c.match || h[0].Before+h[0].Match+h[0].After != c.text) {
				t.Errorf("%+q in %+q: %+v", text, c.text, h)
			}
		}
	}
}

// TestGramsOfExpressions has expressions match only where their grams are.
func TestGramsOfExpressions(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`seed=(4[0-9])\b`: {"eed", "ed=", "see"}, "abc|def": nil, "(abcd)+": {"abc", "bcd"}, "(abc)*": nil, "(abc)?x": nil, "(?i)ABC": {"abc"}, "(abc){2}": {"abc"}, ".*": nil,
	} {
		var got []string
		if p := parse(t, expr, true).Plan(); p != nil {
			got = p.Any[0].Leaf.Grams
		}
		for _, g := range got {
			if !slices.Contains(want, g) {
				t.Errorf("%s: %q, want %q", expr, got, want)
			}
		}
		if (len(got) == 0) != (len(want) == 0) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a b", `"a b" -c`, "rc:>0 after:2d", `output:"x\"" failed`, "a(b|c)+", "\xff \"\xfe", "-", "--x", "on:1mo", "(a OR b) -(c (d OR f(x)))", "((((", "a)", "(int)x \\(", `("a b" OR c)`, "-(a)", "on:(2026-11-23 10:00)"} {
		f.Add(s, "some text A\u212A\xff", true)
		f.Add(s, "some text", false)
	}
	f.Fuzz(func(t *testing.T, s, text string, regex bool) {
		q, err := query.Parse(s, query.Options{Regex: regex, Now: now, Home: "/h"})
		if err != nil {
			var wrong *query.SyntaxError
			if !errors.As(err, &wrong) || wrong.Pos < 0 || wrong.Pos > len(s) || wrong.Error() == "" {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		d := &query.Doc{Record: &record.Record{Command: text, Data: record.Data{Output: []string{text, s}}}}
		if !q.Match(d) {
			return
		}
		if !admits(q.Plan(), d) {
			t.Errorf("%q matches, and the index is asked elsewhere", s)
		}
		for _, h := range q.Hits(d) {
			if h.Start > h.End || h.Field == "" {
				t.Errorf("%+v", h)
			}
		}
	})
}

// TestFoldRunes has all runes fold as Unicode says, whatever is known of some in advance.
func TestFoldRunes(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := query.Fold(string(r))
		if !strings.EqualFold(s, norm.NFC.String(string(r))) {
			t.Fatalf("%U becomes %q", r, s)
		}
		if next := string(unicode.SimpleFold(r)); query.Fold(next) != s {
			t.Fatalf("%U becomes %q, %q does not", r, s, next)
		}
	}
}

// TestFoldComposes folds letters and marks in any order as the whole text would be.
func TestFoldComposes(t *testing.T) {
	pieces := []string{"a", "E", "é", "e\u0301", "\u0301", "\u0345", "\u0323", "\u030a", "\u034f", strings.Repeat("\u0302", 35), "\u1100", "\u1161", "\u11a8", "가", "각", "ﬁ", "K", "ς",
		"\u0b47", "\u0b3e", "\ufffd", "\xff", "\xe2\x82", "\ufe0f", "✔", "日", "\U0001d15e", "\u0f73", "12345678", "\n"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		s := ""
		for range 1 + random.IntN(12) {
			s += pieces[random.IntN(len(pieces))]
		}
		want := strings.Map(func(r rune) rune { return []rune(query.Fold(string(r)))[0] }, norm.NFC.String(strings.ToValidUTF8(s, "\ufffd")))
		if got, _ := query.AppendFold([]byte("x"), []byte(s)); string(got) != "x"+want {
			t.Fatalf("%+q: %+q, want %+q", s, got[1:], want)
		}
	}
}

// FuzzAppendFold compares the quick folding with the other.
func FuzzAppendFold(f *testing.F) {
	for _, s := range []string{"", "ABCDEFGHIJKLMNOPQ", "ab@[`{\x7f Z", "Größe ΣΊΣ", "K\u212A", "a\xffB\xe2\x82", "日本█"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, inPlace := query.AppendFold([]byte("x"), []byte(s))
		want := "x" + strings.Map(func(r rune) rune { return []rune(query.Fold(string(r)))[0] }, norm.NFC.String(strings.ToValidUTF8(s, "\ufffd")))
		if string(got) != want || query.Fold(s) != want[1:] {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
		if inPlace && len(got) != len(s)+1 {
			t.Errorf("%q: %q is not in place", s, got)
		}
	})
}
