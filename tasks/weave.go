package tasks

import (
	"strings"

	"qme/provenance/compare"
)

// weaveSteps limits the work of woven. The limit is reached only if most lines of both streams
// are equal.
const weaveSteps = 1 << 25

// woven reports whether text is an interleaving of a and b: each line of both in its order, and
// nothing else. The order between the two is unknown. A line that has not ended may be
// interrupted by whole lines of the other text, after any character except a letter or digit.
// decided is false if the check takes too long.
func woven(text, a, b string) (ok, decided bool) {
	w := wovenLines(splitLines(text), splitLines(a), splitLines(b), sameLine, weaveSteps)
	if !w.ok && w.decided {
		return wovenPieces(text, a, b)
	}
	return w.ok, w.decided
}

// splitLines returns lines without their newlines.
func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// A likeness reports whether a line of the interleaved text can be one of the others, and what is masked
// then.
type likeness func(line, of string) (masked map[compare.Kind]int, ok bool)

func sameLine(line, of string) (map[compare.Kind]int, bool) { return nil, line == of }

// A way is one possible way to split the lines read so far: the number of lines taken from a, and what
// was masked on the way, the last line first.
type way struct {
	a      int
	masked *maskedLine
}

type maskedLine struct {
	places map[compare.Kind]int
	before *maskedLine
}

func (w way) take(a int, places map[compare.Kind]int) way {
	w.a += a
	if len(places) > 0 {
		w.masked = &maskedLine{places, w.masked}
	}
	return w
}

// A weaving is the outcome of wovenLines: with decided, a way through all lines if it is ok, and else one
// through the first lines, after which the next cannot be any of the others.
type weaving struct {
	ok, decided bool
	way         way
	lines       int // how many lines of the text the way has
}

// wovenLines is woven for whole lines that are like each other, with a limit of the work.
func wovenLines(text, a, b []string, like likeness, steps int) weaving {
	ways, next := []way{{}}, []way(nil)
	for k, line := range text {
		next = next[:0]
		for _, w := range ways {
			if j := k - w.a; j < len(b) && (len(next) == 0 || next[len(next)-1].a != w.a) {
				if places, ok := like(line, b[j]); ok {
					next = append(next, w.take(0, places))
				}
			}
			if w.a < len(a) {
				if places, ok := like(line, a[w.a]); ok {
					next = append(next, w.take(1, places))
				}
			}
		}
		if len(next) == 0 {
			return weaving{decided: true, way: ways[0], lines: k}
		}
		if k*len(next) > steps && len(next) > 1 {
			return weaving{}
		}
		ways, next = next, ways
	}
	return weaving{ok: len(text) == len(a)+len(b), decided: true, way: ways[0], lines: len(text)}
}

// A thread is one possible way to split the text read so far: the number of bytes taken from a,
// and the source of the last byte.
type thread struct {
	a     int
	fromB bool
}

func wovenPieces(text, a, b string) (ok, decided bool) {
	if len(text) != len(a)+len(b) {
		return false, true
	}
	threads, next := []thread{{0, false}}, []thread(nil)
	for k := range len(text) {
		next = next[:0]
		add := func(t thread) {
			for i := max(0, len(next)-4); i < len(next); i++ {
				if next[i] == t {
					return
				}
			}
			next = append(next, t)
		}
		for _, t := range threads {
			i, j := t.a, k-t.a
			if j < len(b) && b[j] == text[k] && (t.fromB || maySwitch(a, i, b, j)) {
				add(thread{i, true})
			}
			if i < len(a) && a[i] == text[k] && (!t.fromB || maySwitch(b, j, a, i)) {
				add(thread{i + 1, false})
			}
		}
		if len(next) == 0 {
			return false, true
		}
		if k*len(next) > weaveSteps && len(next) > 4 {
			return false, false
		}
		threads, next = next, threads
	}
	return true, true
}

// maySwitch reports whether the source may change here from one text to the other.
func maySwitch(from string, at int, to string, toAt int) bool {
	if betweenLines(from, at) {
		return true
	}
	c := from[at-1]
	word := c >= 0x80 || c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	return !word && betweenLines(to, toAt)
}

func betweenLines(s string, at int) bool { return at == 0 || at == len(s) || s[at-1] == '\n' }

// lookAhead is the maximum number of lines that follow skips.
const lookAhead = 50

// follow returns the lines of a and b in an order that resembles that of text as far as
// possible.
func follow(text, a, b string) string {
	var out []string
	la, lb := splitLines(a), splitLines(b)
	for _, line := range splitLines(text) {
		i, j := indexLine(la, line), indexLine(lb, line)
		switch {
		case i >= 0 && (j < 0 || i <= j):
			out, la = append(out, la[:i+1]...), la[i+1:]
		case j >= 0:
			out, lb = append(out, lb[:j+1]...), lb[j+1:]
		}
	}
	out = append(append(out, la...), lb...)
	if len(out) == 0 {
		return ""
	}
	return strings.Join(out, "\n") + "\n"
}

func indexLine(lines []string, line string) int {
	for i := range min(len(lines), lookAhead) {
		if lines[i] == line {
			return i
		}
	}
	return -1
}
