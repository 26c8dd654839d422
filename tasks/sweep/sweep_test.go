package sweep_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"qme/tasks/sweep"
)

// text writes points on one line.
func text(points []sweep.Point) string {
	var all []string
	for _, p := range points {
		var one []string
		for _, param := range p {
			one = append(one, param.Name+"="+param.Value)
		}
		all = append(all, strings.Join(one, " "))
	}
	return strings.Join(all, "; ")
}

func axis(t *testing.T, word string) []sweep.Point {
	t.Helper()
	a, err := sweep.ParseAxis(word)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func space(t *testing.T, factors ...[]sweep.Point) *sweep.Space {
	t.Helper()
	s, err := sweep.NewSpace(factors...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseAxis(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"lr=0.1,0.01": "lr=0.1; lr=0.01",
		"seed=1..3":   "seed=1; seed=2; seed=3",
		"n=1..-1":     "n=1; n=0; n=-1",
		"n=7..7":      "n=7",
		"v=1..2,5":    "v=1; v=2; v=5",
		"v=9,1..3,x":  "v=9; v=1; v=2; v=3; v=x",
		"n=08..11":    "n=08; n=09; n=10; n=11",
		"n=-1..01":    "n=-1; n=00; n=01",
		"v=a..b":      "v=a..b",
		"v=../a,1..":  "v=../a; v=1..",
		"v=a=b":       "v=a=b",
		"v=":          "v=",
		"x_1=3e-4":    "x_1=3e-4",
		"n=9223372036854775806..9223372036854775807": "n=9223372036854775806; n=9223372036854775807",
		"name=; rm -rf x,$(id)":                      "name=; rm -rf x; name=$(id)",
	} {
		if got := text(axis(t, word)); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
	for _, word := range []string{"", "lr", "=1", "1x=2", "a-b=1", "id=1", "group=x", "index=1", "é=1", "v=a\nb", "v=\x1b[1m", "v=\xff", "v=\u2028",
		"n=1..1000001", "n=1..500000,1..500001", "v=1.5..2", "v=0.1..0.5", "v=1..9..2", "n=1..99999999999999999999", "n=-9223372036854775808..9223372036854775807", strings.Repeat("n", 65) + "=1", "v=" + strings.Repeat("x", 5000)} {
		if a, err := sweep.ParseAxis(word); !errors.Is(err, sweep.ErrInvalid) {
			t.Errorf("%.40q: %v, %v", word, a, err)
		}
	}
}

func TestSpace(t *testing.T) {
	t.Parallel()
	s := space(t, axis(t, "lr=0.1,0.01"), axis(t, "seed=1..2"))
	var all []sweep.Point
	for i := range s.Len() {
		all = append(all, s.At(i))
	}
	if got, want := text(all), "lr=0.1 seed=1; lr=0.1 seed=2; lr=0.01 seed=1; lr=0.01 seed=2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := s.Names(); !slices.Equal(got, []string{"lr", "seed"}) {
		t.Errorf("the names are %q", got)
	}
	pairs, err := sweep.Zip(axis(t, "a=1,2"), axis(t, "b=x,y"))
	if err != nil {
		t.Fatal(err)
	}
	if s := space(t, pairs, axis(t, "c=0")); s.Len() != 2 || text([]sweep.Point{s.At(1)}) != "a=2 b=y c=0" {
		t.Errorf("%d points, the last one is %v", s.Len(), s.At(1))
	}
	if s := space(t); s.Len() != 1 || len(s.At(0)) != 0 {
		t.Errorf("without parameters there are %d points: %v", s.Len(), s.At(0))
	}
	if _, err := sweep.Zip(axis(t, "a=1,2"), axis(t, "b=x")); !errors.Is(err, sweep.ErrInvalid) {
		t.Errorf("lists of two lengths: %v", err)
	}
	many := axis(t, "a=1..1000")
	for name, factors := range map[string][][]sweep.Point{
		"twice": {axis(t, "a=1"), axis(t, "a=2")}, "none": {nil}, "too many": {many, axis(t, "b=1..1000"), axis(t, "c=1..2")},
	} {
		if _, err := sweep.NewSpace(factors...); !errors.Is(err, sweep.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRandom draws different points, the same ones for a seed, and each about as often.
func TestRandom(t *testing.T) {
	t.Parallel()
	s := space(t, axis(t, "a=1..5"), axis(t, "b=1..4"))
	drawn := make([]int, s.Len())
	for seed := range uint64(4000) {
		list := s.Random(5, seed)
		if len(list) != 5 || !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != 5 {
			t.Fatalf("seed %d draws %v", seed, list)
		}
		for _, i := range list {
			drawn[i]++
		}
	}
	for i, n := range drawn {
		if n < 850 || n > 1150 { // 1,000 are expected, with a deviation of 27
			t.Errorf("point %d is drawn %d times", i, n)
		}
	}
	if got := s.Random(100, 1); len(got) != 20 || got[19] != 19 {
		t.Errorf("more than there are: %v", got)
	}
	// What a seed means is a promise: a record has it.
	if got, want := s.Random(4, 42), []int{4, 5, 11, 19}; !slices.Equal(got, want) {
		t.Errorf("seed 42 draws %v, and not %v as ever", got, want)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"n,beta\n10,0.5\n20,1e-3\n":                       "n=10 beta=0.5; n=20 beta=1e-3",
		"\xef\xbb\xbfn\r\n\"a, b\"\r\n; rm -rf x\r\n":     "n=a, b; n=; rm -rf x",
		`[{"n": 10, "b": "x"}, {"b": "; rm", "n": 3e-4}]`: "n=10 b=x; n=3e-4 b=; rm",
		`[{"n": 12345678901234567890123, "on": true}]`:    "n=12345678901234567890123 on=true",
		"[{\"n\": \"1,000.5\"}]\n":                        "n=1,000.5",
		"n,m\n1\n":                                        "error",
		"n,n\n1,2\n":                                      "error",
		"n\n":                                             "error",
		"":                                                "error",
		"id\n1\n":                                         "error",
		"n\n\"a\nb\"\n":                                   "error",
		`[{"n": [1]}]`:                                    "error",
		`[{"n": "\ud800"}]`:                               "error",
		`[{"n": null}]`:                                   "error",
		`[{"n": 1}, {"m": 1}]`:                            "error",
		`[{"n": 1}, {"n": 1, "m": 2}]`:                    "error",
		`[{"n": 1, "n": 2}]`:                              "error",
		`[{"n": 1}] x`:                                    "error",
		`[{"n": 1}`:                                       "error",
		`[`:                                               "error",
		`[{}]`:                                            "error",
		`[1]`:                                             "error",
		`{"n": 1}`:                                        "n=1",
		"\xef\xbb\xbf[{\"n\": 1}]":                        "n=1",
		"{\"n\": 1, \"m\": 2}\n{\"m\": 4, \"n\": 3}\n": "n=1 m=2; n=3 m=4",
		"{\"n\": 1}\n{\"m\": 4}\n":                     "error",
		"{\"n\": 1} x":                                 "error",
		"{\"n\": 1":                                    "error",
	} {
		read := sweep.ReadCSV
		if start := strings.TrimPrefix(content, string(sweep.Mark)); strings.HasPrefix(start, "[") || strings.HasPrefix(start, "{") {
			read = sweep.ReadJSON
		}
		points, err := read(strings.NewReader(content))
		got := text(points)
		if err != nil {
			got = "error"
			if !errors.Is(err, sweep.ErrInvalid) {
				t.Errorf("%q: %v", content, err)
			}
		}
		if got != want {
			t.Errorf("%q: %s, %v; want %s", content, got, err, want)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	percent, err := sweep.ParsePlaceholder("%%")
	if err != nil {
		t.Fatal(err)
	}
	twice, err := sweep.ParsePlaceholder("{{}}")
	if err != nil {
		t.Fatal(err)
	}
	values := sweep.Values(sweep.Point{{Name: "lr", Value: "0.1"}, {Name: "x", Value: "a b"}, {Name: "y", Value: "{lr}"}}, "ID", "G", 7)
	for _, c := range []struct {
		as         sweep.Placeholder
		word, want string
	}{
		{sweep.Braces, "--lr={lr}", "--lr=0.1"},
		{sweep.Braces, "{x}{x}", "a ba b"},
		{sweep.Braces, "runs/{id}/{group}-{index}", "runs/ID/G-7"},
		{sweep.Braces, "{y}", "{lr}"}, // a value is no command
		{sweep.Braces, "{print $1} {lr,x} { lr } {no} {} {{lr}}", "{print $1} {lr,x} { lr } {no} {} {0.1}"},
		{sweep.Braces, `{"lr": {lr}}`, `{"lr": 0.1}`},
		{sweep.Braces, "${lr} $lr {lr", "${lr} $lr {lr"},
		{percent, "{lr} %lr% 100%", "{lr} 0.1 100%"},
		{percent, "%%lr%%", "%0.1%"},
		{twice, "{lr} {{lr}}", "{lr} 0.1"},
	} {
		if got := c.as.Words([]string{c.word}, values); got[0] != c.want {
			t.Errorf("%s: %s, want %s", c.word, got[0], c.want)
		}
	}
	used := sweep.Braces.Uses([]string{"a {lr}", "${x}"}, []string{"lr", "x"})
	if !used["lr"] || used["x"] {
		t.Errorf("used are %v", used)
	}
	if others := sweep.Braces.Others([]string{"{a} {lr} {b}", "{b} {print $1} ${c}"}, []string{"lr"}); !slices.Equal(others, []string{"a", "b"}) {
		t.Errorf("others are %v", others)
	}
	for _, text := range []string{"", "{", "{}{", "aa", "1}", "  ", "\x00\x01", "<<<<<>>>>>", "__"} {
		if _, err := sweep.ParsePlaceholder(text); !errors.Is(err, sweep.ErrInvalid) {
			t.Errorf("the placeholder %q is taken", text)
		}
	}
}

func ExamplePlaceholder_Line() {
	line, err := sweep.Braces.Line(`./train --lr {lr} >"out of {name}.txt"`, map[string]string{"lr": "0.1", "name": `$(rm -rf x) "y"`})
	fmt.Println(line, err)
	// Output: ./train --lr 0.1 >"out of \$(rm -rf x) \"y\".txt" <nil>
}
