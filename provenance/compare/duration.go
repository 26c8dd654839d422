package compare

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// epoch finds the seconds since 1970 that begin d bytes before the place, or the milli-, micro- or
// nanoseconds.
func (p *Pair) epoch(v *view, d int, x, y []byte) (span, bool) {
	before, _ := v.before(d)
	if before == '.' || before == ':' || before == '_' {
		return span{}, false
	}
	m, mDigits, isX := readEpoch(x)
	n, nDigits, isY := readEpoch(y)
	if !isX || !isY || mDigits != nDigits || min(m.length, n.length) < d || !p.ref.had(m) || !p.now.had(n) {
		return span{}, false
	}
	return v.span(Time, d, m.length, n.length), true
}

type instant struct {
	t          time.Time
	resolution time.Duration
	length     int
}

// had reports whether an instant lies within the run.
func (f *Facts) had(i instant) bool {
	return !f.Begin.IsZero() && !f.End.Before(f.Begin) && f.near(i.t, i.resolution)
}

// readEpoch reads such a number at the beginning of b, and returns how many digits it has before its
// point.
func readEpoch(b []byte) (i instant, digits int, ok bool) {
	r := reader{b: b[:min(len(b), longestMoment)]}
	n := 0
	for digit(r.next()) && r.at < 19 {
		n = n*10 + int(r.next()-'0')
		r.at++
	}
	digits = r.at
	unit := map[int]time.Duration{10: time.Second, 13: time.Millisecond, 16: time.Microsecond, 19: time.Nanosecond}[digits]
	if unit == 0 || n < 0 {
		return i, 0, false
	}
	i = instant{t: time.Unix(sinceEpoch(n, unit)), resolution: unit}
	if unit == time.Second && r.next() == '.' {
		nano, resolution := r.fraction()
		i.t, i.resolution = i.t.Add(time.Duration(nano)), resolution
	}
	i.length = r.at
	rest := b[r.at:]
	return i, digits, !alphanumeric(first(rest)) && first(rest) != '_' && !goesOn(rest, ".:")
}

// sinceEpoch splits n units since 1970 into seconds and nanoseconds.
func sinceEpoch(n int, unit time.Duration) (sec, nsec int64) {
	per := int64(time.Second / unit)
	return int64(n) / per, int64(n) % per * int64(unit)
}

// units are those of durations.
var units = map[string]time.Duration{
	"ns": 1, "us": time.Microsecond, "\u00b5s": time.Microsecond, "\u03bcs": time.Microsecond, "ms": time.Millisecond,
	"msec": time.Millisecond, "s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second,
	"seconds": time.Second, "m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute,
	"minutes": time.Minute, "h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"milliseconds": time.Millisecond, "microseconds": time.Microsecond,
}

// duration finds a duration that begins d bytes before the place and that the text around it says to be
// one: many results have a unit of time as well.
func (p *Pair) duration(v *view, d int, x, y []byte) (span, bool) {
	if !digit(first(x)) || !digit(first(y)) {
		return span{}, false
	}
	p.steps++
	m, isX := readLength(x)
	n, isY := readLength(y)
	if !isX || !isY || min(m.length, n.length) < d || max(m.length, n.length) <= d {
		return span{}, false
	}
	word := marksDuration(v.a[:v.p-d], x[m.length:], &m)
	if word == "" || word != marksDuration(v.b[:v.q-d], y[n.length:], &n) || !p.ref.lasted(m, word) || !p.now.lasted(n, word) {
		return span{}, false
	}
	return v.span(Duration, d, m.length, n.length), true
}

// lasted reports whether the run can have taken so long, or have used so much processor time.
func (f *Facts) lasted(l length, word string) bool {
	most := f.Duration
	if strings.Contains(word, "user") || strings.Contains(word, "sys") || strings.Contains(word, "cpu") {
		most = max(most, f.Processor)
	}
	return most > 0 && l.seconds-l.resolution < most.Seconds()
}

// A length is a duration as it is written.
type length struct {
	seconds, resolution float64
	unit                bool // it has one; else it is a number, or has colons
	length              int
}

// readLength reads "3.2 s", "1m2s", "0:00:03.1" or "3.2".
func readLength(b []byte) (l length, ok bool) {
	at := 0
	for {
		value, resolution, n := readDecimal(b[at:])
		if n == 0 {
			break
		}
		unit, m := readUnit(b[at+n:])
		if m == 0 {
			if at > 0 {
				break // "3 s 5" are two
			}
			return readClock(b)
		}
		l.seconds, l.resolution, l.unit = l.seconds+value*unit.Seconds(), resolution*unit.Seconds(), true
		metres := at == 0 && string(bytes.TrimSpace(b[n:n+m])) == "m" // unless seconds follow
		at += n + m
		if metres && !digit(first(b[at:])) {
			return l, false
		}
		l.length = at
		if first(b[at:]) == ' ' {
			at++
		}
		if at > longestMoment {
			return l, false
		}
	}
	return l, l.length > 0
}

// readUnit reads a unit, perhaps behind a blank, that is a whole word or followed by a digit.
func readUnit(b []byte) (unit time.Duration, n int) {
	blank := 0
	if first(b) == ' ' {
		blank = 1
	}
	n = blank
	for n < len(b) && n < 16 && (letter(b[n]) || b[n] >= 0x80) {
		n++
	}
	unit, ok := units[string(b[blank:n])]
	if !ok || first(b[n:]) == '_' {
		return 0, 0
	}
	return unit, n
}

// readDecimal reads a decimal number without a sign, and returns its resolution and its length, which
// is 0 for none.
func readDecimal(b []byte) (value, resolution float64, n int) {
	for n < len(b) && n < 24 && digit(b[n]) {
		n++
	}
	if n == 0 {
		return 0, 0, 0
	}
	resolution = 1
	if n+1 < len(b) && b[n] == '.' && digit(b[n+1]) {
		from := n + 1
		for n++; n < len(b) && n < 48 && digit(b[n]); n++ {
		}
		resolution = math.Pow10(from - n)
	}
	value, err := strconv.ParseFloat(string(b[:n]), 64)
	if err != nil {
		return 0, 0, 0
	}
	return value, resolution, n
}

// readClock reads "1:02:03.4", "02:03" or "3.2".
func readClock(b []byte) (l length, ok bool) {
	for range 3 {
		value, resolution, n := readDecimal(b[l.length:])
		if n == 0 || l.length > 0 && value >= 60 {
			return l, false
		}
		l.seconds, l.resolution, l.length = l.seconds*60+value, resolution, l.length+n
		if first(b[l.length:]) != ':' || resolution < 1 {
			break
		}
		l.length++
	}
	return l, first(b[l.length:]) != ':' && !goesOn(b[l.length:], ".")
}

// marksDuration returns the word that says that a length between two texts is a duration of the run, in
// small letters; "" if there is none. Without a unit only some words do, and those that have one
// themselves, which the length then gets.
func marksDuration(before, after []byte, l *length) string {
	if !l.unit {
		return marksBare(before, after, l)
	}
	if w := string(bytes.ToLower(firstWord(after))); w == "elapsed" {
		return w
	}
	if c := last(before); c == '(' && bytes.HasPrefix(before, []byte("--- ")) || c == '\t' && bytes.HasPrefix(before, []byte("ok  \t")) {
		return "test" // of go test
	}
	w, rest := wordBefore(before)
	switch {
	case slices.Contains(durationWords, w):
		return w
	case w == "time" || w == "times":
		if m := string(lastWord(rest)); slices.Contains(timeModifiers, m) {
			return m + " time"
		}
	case w == "duration" && (len(rest) == 0 || !letter(last(rest))): // not that of something
		return w
	}
	return ""
}

// marksBare is marksDuration for a length without a unit.
func marksBare(before, after []byte, l *length) string {
	glued := string(firstLetters(after))
	w, rest := wordBefore(before)
	switch {
	case l.resolution < 1 && slices.Contains([]string{"user", "system", "elapsed"}, glued): // as GNU time prints them
		return glued
	case slices.Contains([]string{"real", "user", "sys"}, w) && len(rest) == 0 && (first(after) == '\n' || len(after) == 0): // time -p
		return w
	}
	return marksByKey(before, l)
}

// wordBefore returns the last word of a text, in small letters, and what is before it. Marks behind it do
// not count.
func wordBefore(before []byte) (word string, rest []byte) {
	text := bytes.ToLower(before[max(0, len(before)-longestMoment):])
	text = bytes.TrimRight(text, " \t:=~(<[\"")
	for _, w := range []string{"about", "only"} {
		text = bytes.TrimRight(bytes.TrimSuffix(text, []byte(" "+w)), " ")
	}
	w := lastWord(text)
	return string(w), bytes.TrimRight(text[:len(text)-len(w)], " \t-_")
}

// marksByKey returns the key before a length that has a unit in it, such as elapsed_ms, and sets the unit of
// the length; "" without one.
func marksByKey(before []byte, l *length) string {
	text := bytes.TrimRight(before, " \t:=\"'")
	from := len(text)
	for from > 0 && len(text)-from < 32 && (letter(text[from-1]) || text[from-1] == '_') {
		from--
	}
	key := string(bytes.ToLower(text[from:]))
	i := strings.LastIndexByte(key, '_')
	if len(text) == len(before) || i < 0 || !slices.Contains(durationKeys, strings.ReplaceAll(key[:i], "_", "")) {
		return ""
	}
	unit, ok := units[key[i+1:]]
	if !ok {
		return ""
	}
	l.seconds, l.resolution = l.seconds*unit.Seconds(), l.resolution*unit.Seconds()
	return key
}

var (
	durationKeys  = []string{"elapsed", "elapsedtime", "walltime", "runtime", "executiontime", "cputime", "took"}
	durationWords = []string{"real", "user", "sys", "took", "in", "elapsed", "wall", "walltime", "runtime", "executiontime", "clocktime", "cputime",
		"elapsedtime", "spent", "finished", "done", "completed"}
	timeModifiers = []string{"elapsed", "total", "wall", "cpu", "run", "running", "execution", "processing", "compute",
		"computation", "build", "compile", "user", "system", "sys", "real", "clock"}
)

// firstWord returns the letters at the beginning of b, behind a blank.
func firstWord(b []byte) []byte {
	if first(b) == ' ' {
		b = b[1:]
	}
	n := 0
	for n < len(b) && n < 32 && letter(b[n]) {
		n++
	}
	return b[:n]
}
