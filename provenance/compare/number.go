package compare

import (
	"bytes"
	"math"
	"strconv"
)

// longestNumber is how long a number may be.
const longestNumber = 64

// number finds two numbers at the place that are equal within the tolerance.
func (p *Pair) number(v *view) (span, bool) {
	t := p.options.Tolerance
	if !(t > 0 && t < 1) {
		return span{}, false
	}
	d := 0 // how far before the place the number begins
	for d < min(v.free, longestNumber) && numberByte(v.a[v.p-d-1]) {
		d++
	}
	for ; d >= 0; d-- {
		x, y := v.at(d)
		m, n := 0, 0
		if d == 0 { // one of them may have more blanks before it
			m, n = blanks(x), blanks(y)
		}
		f, isX := readNumber(v.a[:v.p-d+m], x[m:])
		g, isY := readNumber(v.b[:v.q-d+n], y[n:])
		if isX && isY && f.length >= d && g.length >= d && (f.point || g.point) && closeTo(f.value, g.value, t) {
			return v.span(Number, d, m+f.length, n+g.length), true
		}
	}
	return span{}, false
}

func blanks(b []byte) int { return len(b) - len(bytes.TrimLeft(b, " \t")) }

func numberByte(c byte) bool { return alphanumeric(c) || c == '.' || c == '-' || c == '+' }

// closeTo reports whether two numbers are equal within a tolerance: see Options.Tolerance.
func closeTo(x, y, t float64) bool {
	if math.IsNaN(x) || math.IsNaN(y) {
		return math.IsNaN(x) && math.IsNaN(y)
	}
	if x == y { // also infinities
		return true
	}
	difference := math.Abs(x - y)
	return !math.IsInf(difference, 0) && difference <= max(t*max(math.Abs(x), math.Abs(y)), t*t)
}

// A figure is a number as it is written.
type figure struct {
	value  float64
	point  bool // it is not written as a whole number
	length int
}

// readNumber reads a number that is a word of its own.
func readNumber(before, b []byte) (f figure, ok bool) {
	if c := last(before); word(c) || c == '.' || (c == ':' || c == '/' || c == '-' || c == '+') && word(lastBut(before)) {
		return f, false
	}
	n := 0
	if c := first(b); c == '-' || c == '+' {
		n = 1
	}
	if w := bytes.ToLower(firstLetters(b[n:])); len(w) > 0 {
		if s := string(w); s != "nan" && s != "inf" && s != "infinity" {
			return f, false
		}
		n += len(w)
		f.point = true
	} else {
		from := n
		n += digits(b[n:])
		if first(b[n:]) == '.' {
			f.point = true
			n += 1 + digits(b[n+1:])
		}
		if n == from || n == from+1 && f.point {
			return f, false
		}
		if m := exponent(b[n:]); m > 0 {
			n, f.point = n+m, true
		}
	}
	if n > longestNumber || !numberEnds(b[n:]) {
		return f, false
	}
	value, err := strconv.ParseFloat(string(b[:n]), 64)
	f.value, f.length = value, n
	return f, err == nil
}

// numberEnds reports whether what follows does not go on with a number, a word, a version or a date.
func numberEnds(b []byte) bool {
	return !word(first(b)) && !goesOn(b, ".:/-")
}

func digits(b []byte) (n int) {
	for n < len(b) && n <= longestNumber && digit(b[n]) {
		n++
	}
	return n
}

// exponent returns the length of an exponent at the beginning of b, 0 without one.
func exponent(b []byte) int {
	if c := first(b) | 0x20; c != 'e' {
		return 0
	}
	n := 1
	if c := first(b[1:]); c == '-' || c == '+' {
		n = 2
	}
	if m := digits(b[n:]); m > 0 {
		return n + m
	}
	return 0
}

func firstLetters(b []byte) []byte {
	n := 0
	for n < len(b) && n < 16 && letter(b[n]) {
		n++
	}
	return b[:n]
}
