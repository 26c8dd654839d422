package compare

import (
	"bytes"
	"strconv"
	"strings"
)

// longestSpan is how far before a place a text may begin that is masked: more than a path has.
const longestSpan = 5 << 10

// A view is what lies around a place at which the contents differ, of each from the beginning of the
// line on, if that is not too far, and further than any text that is masked.
type view struct {
	a, b []byte
	p, q int // the place in a and in b
	free int // how many bytes before it are equal in both and not masked yet
}

// match looks for a text at the place that comes from the runs themselves.
func (w *walk) match() (span, bool) {
	pair := w.pair
	if pair.options.Exact {
		return span{}, false
	}
	v := w.view()
	pair.steps += v.free + 1
	for _, find := range []func(*view) (span, bool){pair.id, pair.directory, pair.host, pair.pid, pair.temporary, pair.timed, pair.number} {
		if s, ok := find(v); ok && s.a >= 0 && s.b >= 0 && s.a+s.b > 0 {
			return s, true
		}
	}
	return span{}, false
}

func (w *walk) view() *view {
	before := func(s *source) int { return len(s.back(longestSpan)) }
	p, q := before(w.a), before(w.b)
	part := func(s *source, n int) []byte { return s.buf[s.at-n : min(s.end, s.at+ahead)] }
	return &view{a: part(w.a, p), b: part(w.b, q), p: p, q: q, free: min(w.free, p, q)}
}

// span returns the span that begins d bytes before the place and has x bytes in a and y in b.
func (v *view) span(kind Kind, d, x, y int) span { return span{kind, x - d, y - d} }

// at returns what lies in a and in b from d bytes before the place on.
func (v *view) at(d int) (x, y []byte) { return v.a[v.p-d:], v.b[v.q-d:] }

// before returns the bytes that precede it in a and in b, 0 at the beginning of a line.
func (v *view) before(d int) (x, y byte) { return last(v.a[:v.p-d]), last(v.b[:v.q-d]) }

func last(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[len(b)-1]
}

func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// known looks for a place of x in the reference at which y is in the other content. edges judges the
// text before and behind it, in both.
func (v *view) known(kind Kind, x, y string, edges func(before, after []byte) bool) (span, bool) {
	if x == "" || y == "" || x == y {
		return span{}, false
	}
	// Where they begin with the same bytes, these are passed before the place is found. Where one is the
	// beginning of the other, what follows it may go on with the same bytes as well.
	least := common([]byte(x), []byte(y))
	most := least
	if least == min(len(x), len(y)) {
		most = max(len(x), len(y))
	}
	for d := least; d <= min(most, v.free); d++ {
		a, b := v.at(d)
		if !bytes.HasPrefix(a, []byte(x)) || !bytes.HasPrefix(b, []byte(y)) || len(x) < d || len(y) < d {
			continue
		}
		if edges(v.a[:v.p-d], a[len(x):]) && edges(v.b[:v.q-d], b[len(y):]) {
			return v.span(kind, d, len(x), len(y)), true
		}
	}
	return span{}, false
}

// id finds a name of the runs. Short numbers, as of jobs, are too likely to stand for something else.
func (p *Pair) id(v *view) (span, bool) {
	for i := range min(len(p.ref.IDs), len(p.now.IDs)) {
		x, y := p.ref.IDs[i], p.now.IDs[i]
		if min(len(x), len(y)) < 4 {
			continue
		}
		if s, ok := v.known(ID, x, y, wordEdges); ok {
			return s, true
		}
	}
	return span{}, false
}

func (p *Pair) pid(v *view) (span, bool) {
	for i := range min(len(p.ref.PIDs), len(p.now.PIDs)) {
		x, y := p.ref.PIDs[i], p.now.PIDs[i]
		edges := wordEdges
		if min(x, y) < leastPID {
			edges = func(before, after []byte) bool { return wordEdges(before, after) && marksPID(before, after) }
		}
		if s, ok := v.known(PID, strconv.Itoa(x), strconv.Itoa(y), edges); ok {
			return s, true
		}
	}
	return span{}, false
}

// leastPID is the number from which one that is equal to a pid is taken for it anywhere. In a
// container pids are small, and a small number is as likely to be a result.
const leastPID = 1000

// marksPID reports whether the text around a number says that it is a pid: "pid 17", "name[17]".
func marksPID(before, after []byte) bool {
	if last(before) == '[' && first(after) == ']' {
		return true
	}
	word := strings.ToLower(string(lastWord(bytes.TrimRight(before, " :=#\t\"("))))
	return word == "pid" || word == "process"
}

// lastWord returns the letters at the end of b.
func lastWord(b []byte) []byte {
	i := len(b)
	for i > 0 && letter(b[i-1]) && len(b)-i < 32 {
		i--
	}
	return b[i:]
}

// wordEdges reports whether a text is a word of its own, and no part of a number or a date.
func wordEdges(before, after []byte) bool {
	c, d := last(before), first(after)
	switch {
	case word(c) || word(d):
		return false
	case c == '-' && !letter(lastBut(before)): // -17, 10-17
		return false
	case c == '.' && digit(lastBut(before)):
		return false
	}
	return !goesOn(after, "-.")
}

// lastBut returns the last byte but one.
func lastBut(b []byte) byte { return last(b[:max(0, len(b)-1)]) }

func (p *Pair) directory(v *view) (span, bool) {
	if min(len(p.ref.Directory), len(p.now.Directory)) < 2 {
		return span{}, false
	}
	return v.known(Directory, p.ref.Directory, p.now.Directory, pathEdges)
}

// pathEdges reports whether an absolute path between two texts is whole, up to the end of a name.
func pathEdges(before, after []byte) bool {
	c, d := last(before), first(after)
	switch {
	case c == '/': // only as in file:///
		if !bytes.HasSuffix(before, []byte("://")) {
			return false
		}
	case letter(c): // only as in -I/usr
		if n := len(before); n < 2 || before[n-2] != '-' {
			return false
		}
	case digit(c), c == '_', c == '.', c == '~', c == '-':
		return false
	}
	return !nameByte(d) || d == '.' && (len(after) == 1 || !nameByte(after[1]))
}

// nameByte reports whether a byte goes on with the name of a file.
func nameByte(c byte) bool {
	return word(c) || c == '-' || c == '.' || c == '+' || c == '~' || c == '@' || c == '%'
}

func (p *Pair) host(v *view) (span, bool) {
	x, y := p.ref.Host, p.now.Host
	if s, ok := v.known(Host, x, y, hostEdges); ok && named(x) && named(y) {
		return s, true
	}
	x, _, _ = strings.Cut(x, ".")
	y, _, _ = strings.Cut(y, ".")
	if s, ok := v.known(Host, x, y, hostEdges); ok && named(x) && named(y) {
		return s, true
	}
	return span{}, false
}

// named reports whether a text cannot be mistaken for a number, or for any letter.
func named(host string) bool {
	return len(host) > 1 && strings.ContainsFunc(host, func(r rune) bool { return r > '9' })
}

// hostEdges reports whether a name between two texts is that of a host. A domain may follow.
func hostEdges(before, after []byte) bool {
	c, d := last(before), first(after)
	return !word(c) && c != '-' && c != '.' && c < 0x80 && !word(d) && d != '-' && d < 0x80
}

// goesOn reports whether a number goes on in b: one of the marks, and a digit.
func goesOn(b []byte, marks string) bool {
	return len(b) > 1 && strings.IndexByte(marks, b[0]) >= 0 && digit(b[1])
}

func digit(c byte) bool  { return '0' <= c && c <= '9' }
func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// word reports whether a byte belongs to a word. All that is not ASCII does.
func word(c byte) bool { return digit(c) || letter(c) || c == '_' || c >= 0x80 }
