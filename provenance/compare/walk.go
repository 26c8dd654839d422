package compare

import (
	"bytes"
	"strings"
)

// A walk goes through two contents at the same time. All bytes that are equal are passed; where they
// differ, the texts around the place are either masked, which passes both, or a difference.
type walk struct {
	pair   *Pair
	a, b   *source // of the reference, and of the run now
	free   int     // how many bytes before the place are equal in both and not masked
	result Result
	masked *Difference // the first place that was masked
}

// A span is a text at the place that is masked: how many bytes before the place it begins, which are
// equal in both contents, and how many it has behind the place in each.
type span struct {
	kind Kind
	a, b int
}

func (w *walk) run() error {
	for w.next() {
	}
	if w.a.err != nil || w.b.err != nil {
		if w.a.err != nil {
			return w.a.err
		}
		return w.b.err
	}
	w.result.Equal = len(w.result.Differences) == 0 && !w.result.Unknown
	w.result.Unknown = w.result.Unknown && len(w.result.Differences) == 0
	return nil
}

// next passes what is equal, and one place that is not. It reports whether there is more.
func (w *walk) next() bool {
	w.a.need(1)
	w.b.need(1)
	x, y := w.a.rest(), w.b.rest()
	n := common(x, y)
	if i := bytes.IndexByte(x[:n], 0); i >= 0 {
		return w.binary()
	}
	w.step(n, n, true)
	ended, endedNow := n == len(x) && w.a.eof, n == len(y) && w.b.eof
	switch {
	case !ended && !endedNow && (n == len(x) || n == len(y)): // one of them has to be read on
		return true
	case ended && endedNow:
		w.result.Unknown = w.a.cut || w.b.cut
		return false
	}
	return w.differing()
}

// differing handles a place at which the contents differ.
func (w *walk) differing() bool {
	w.a.need(ahead)
	w.b.need(ahead)
	if w.a.err != nil || w.b.err != nil {
		return false
	}
	if w.nulAhead() {
		return w.binary()
	}
	if w.nearCut() {
		w.result.Unknown = true
		return false
	}
	if s, ok := w.match(); ok {
		if w.masked == nil {
			w.masked = w.difference(false)
		}
		w.step(s.a, s.b, false)
		w.count(s.kind)
		return true
	}
	w.result.Differences = append(w.result.Differences, *w.difference(true))
	if len(w.result.Differences) == MostDifferences {
		w.result.More = true
		return false
	}
	if w.a.at == w.a.end || w.b.at == w.b.end { // all that is left of the other one differs
		return false
	}
	w.realign()
	return true
}

// lookAhead is among how many lines of each content realign looks for two that are equal.
const lookAhead = 20

// realign goes on behind a difference, at the next lines that are equal apart from what is masked: one of
// the contents may have lines that the other has not. Without such lines close by it is at the next line
// of each.
func (w *walk) realign() {
	w.free = 0
	x, y := w.a.lines(lookAhead), w.b.lines(lookAhead)
	for sum := 1; sum <= len(x)+len(y)-2; sum++ {
		for i := max(0, sum-len(y)+1); i <= min(sum, len(x)-1); i++ {
			if j := sum - i; len(strings.TrimSpace(x[i])) > 0 && w.pair.Apart().Text(x[i], y[j]).Equal {
				w.a.skipLines(i)
				w.b.skipLines(j)
				return
			}
		}
	}
	w.a.skipLines(1)
	w.b.skipLines(1)
}

func (w *walk) count(kind Kind) {
	if w.result.Masked == nil {
		w.result.Masked = map[Kind]int{}
	}
	w.result.Masked[kind]++
}

// step moves both places on.
func (w *walk) step(a, b int, equal bool) {
	w.a.step(a)
	w.b.step(b)
	if equal {
		w.free = min(w.free+a, behind)
	} else {
		w.free = 0
	}
}

// nulAhead reports whether one of the contents has a NUL byte close to the place.
func (w *walk) nulAhead() bool {
	has := func(rest []byte) bool { return bytes.IndexByte(rest[:min(len(rest), ahead)], 0) >= 0 }
	return has(w.a.rest()) || has(w.b.rest())
}

// nearCut reports whether what follows the place of a content that was cut is too short to be judged: a
// text that is masked there may go on.
func (w *walk) nearCut() bool {
	longest := longestName + max(len(w.pair.ref.Directory), len(w.pair.now.Directory))
	short := func(s *source) bool { return s.cut && s.eof && s.end-s.at < longest }
	return short(w.a) || short(w.b)
}

// binary ends the comparison of contents of which one has a NUL byte: they are equal byte by byte, or
// differ.
func (w *walk) binary() bool {
	first := w.masked
	w.result = Result{Binary: true}
	for first == nil {
		w.a.need(1)
		w.b.need(1)
		x, y := w.a.rest(), w.b.rest()
		n := common(x, y)
		w.step(n, n, true)
		switch {
		case n < len(x) && n < len(y) || n < len(x) && w.b.eof || n < len(y) && w.a.eof:
			first = w.difference(false)
		case w.a.eof && w.b.eof:
			w.result.Unknown = w.a.cut || w.b.cut
			return false
		}
	}
	if first.Ref.End && w.a.cut || first.Now.End && w.b.cut {
		w.result.Unknown = true
		return false
	}
	w.result.Differences = []Difference{*first}
	return false
}

func (w *walk) difference(text bool) *Difference {
	return &Difference{w.a.place(text), w.b.place(text)}
}

// common returns how many bytes at the beginning of a and b are equal.
func common(a, b []byte) int {
	const piece = 4 << 10
	length, n := min(len(a), len(b)), 0
	for n+piece <= length && bytes.Equal(a[n:n+piece], b[n:n+piece]) {
		n += piece
	}
	for n < length && a[n] == b[n] {
		n++
	}
	return n
}
