package tasks

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestWoven(t *testing.T) {
	for _, c := range []struct {
		text, a, b string
		want       bool
	}{
		{"", "", "", true},
		{"a\n", "a\n", "", true},
		{"a\n", "", "a\n", true},
		{"a\nb\n", "b\n", "a\n", true},
		{"a\nb\n", "a\nb\n", "", true},
		{"b\na\n", "a\nb\n", "", false},
		{"a\nb\n", "a\n", "c\n", false},
		{"a\n", "a\n", "a\n", false},
		{"a\na\n", "a\n", "a\n", true},
		{"a\nb\nc\n", "a\n", "b\n", false},
		{"x\n1\nx\n2\n", "x\n2\n", "x\n1\n", true},
		{"x\n1\n2\nx\n", "x\n2\n", "x\n1\n", false},
		// What had ended before without a newline.
		{"10%\ndone\n", "done\n", "10%", true},
		{"ab\n", "a", "b\n", true},
		{"ab\n", "b\n", "a", true},
		// A line in pieces.
		{"testing... warning\nok\n", "testing... ok\n", "warning\n", true},
		{"11\n2\n", "12\n", "1\n", false},
		{"a b c d\n\n", "a c \n", "b d\n", false},
	} {
		if got, decided := woven(c.text, c.a, c.b); got != c.want || !decided {
			t.Errorf("%q of %q and %q: %v, %v", c.text, c.a, c.b, got, decided)
		}
	}
}

// TestWovenAnyhow weaves two texts, which is found out, and changes something, which is, too.
func TestWovenAnyhow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var a, b, text []string
		for n := range rnd.IntN(30) {
			line := fmt.Sprintf("line %d\n", n%(1+rnd.IntN(30)))
			if rnd.IntN(2) == 0 {
				a = append(a, line)
			} else {
				b = append(b, line)
			}
			text = append(text, line)
		}
		whole, la, lb := strings.Join(text, ""), strings.Join(a, ""), strings.Join(b, "")
		if ok, decided := woven(whole, la, lb); !ok || !decided {
			t.Fatalf("%q of %q and %q: %v, %v", whole, la, lb, ok, decided)
		}
		if got := follow(whole, la, lb); len(got) != len(whole) {
			t.Fatalf("%q of %q and %q becomes %q", whole, la, lb, got)
		}
		if ok, decided := woven(whole+"line more\n", la, lb); ok || !decided {
			t.Fatalf("%q and more of %q and %q: %v, %v", whole, la, lb, ok, decided)
		}
		if len(a) > 0 {
			if ok, _ := woven(whole, "other"+la, lb); ok {
				t.Fatalf("%q is not of %q and %q", whole, "other"+la, lb)
			}
		}
	}
}

// TestWovenLong has what is long, or much alike, end.
func TestWovenLong(t *testing.T) {
	many := strings.Repeat("y\n", 1<<20)
	if ok, decided := woven(many+many, many+many, ""); !ok || !decided {
		t.Errorf("one stream: %v, %v", ok, decided)
	}
	var lines strings.Builder
	for n := range 1 << 18 {
		fmt.Fprintln(&lines, "line", n)
	}
	if ok, decided := woven(lines.String()+"warning\n", lines.String(), "warning\n"); !ok || !decided {
		t.Errorf("a long one and a short one: %v, %v", ok, decided)
	}
	if ok, decided := woven(many+many, many, many); ok && !decided {
		t.Errorf("much alike: %v, %v", ok, decided)
	}
}
