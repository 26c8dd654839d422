package compare

import "bytes"

// mostTemporary limits how many temporary names a Pair remembers. Beyond them none is masked.
const mostTemporary = 10_000

// longestTemporary is how long a path may be that has a temporary name.
const longestTemporary = 1 << 10

// temporary finds a random name below a folder for temporary files: both runs have one of the same
// shape there, and use it in all places where the other uses its own.
func (p *Pair) temporary(v *view) (span, bool) {
	d := 0 // how far before the place the path begins
	for d < min(v.free, longestTemporary) && (nameByte(v.a[v.p-d-1]) || v.a[v.p-d-1] == '/') {
		d++
	}
	path, _ := v.at(d)
	slash := bytes.IndexByte(path[:d], '/')
	if slash < 0 || slash > 0 && !pathEdges(path[:slash], nil) {
		return span{}, false
	}
	d -= slash
	x, y := v.at(d)
	folder := bytes.LastIndexByte(x[:d], '/')
	if folder < 1 || !below(p.ref.folders(), x[:folder]) || !below(p.now.folders(), y[:folder]) {
		return span{}, false
	}
	m, n := folder+1+nameLength(x[folder+1:]), folder+1+nameLength(y[folder+1:])
	if max(m, n)-folder > longestName || !sameShape(x[folder+1:m], y[folder+1:n]) {
		return span{}, false
	}
	if !p.pairUp(string(x[:m]), string(y[:n])) {
		return span{}, false
	}
	return v.span(Temporary, d, m, n), true
}

// below reports whether a folder is one of the list, or lies below one of them.
func below(list []string, folder []byte) bool {
	for _, f := range list {
		if string(folder) == f || bytes.HasPrefix(folder, []byte(f+"/")) {
			return true
		}
	}
	return false
}

// nameLength returns the length of the file name at the beginning of b, without a dot at its end.
func nameLength(b []byte) int {
	n := 0
	for n < len(b) && n <= longestName && nameByte(b[n]) {
		n++
	}
	for n > 0 && b[n-1] == '.' {
		n--
	}
	return n
}

// pairUp reports whether one temporary name can stand for another: neither stands for a third.
func (p *Pair) pairUp(x, y string) bool {
	was, known := p.temp[x]
	back, knownBack := p.back[y]
	switch {
	case known || knownBack:
		return was == y && back == x
	case len(p.temp) >= mostTemporary:
		return false
	}
	p.temp[x], p.back[y] = y, x
	return true
}

// randoms are the beginnings of names that programs give to temporary files, with how many random
// characters follow: those of mktemp(1), Python, R, a C compiler, and Go.
var randoms = []struct {
	prefix      string
	least, most int
	is          func(c byte) bool
}{
	{"tmp.", 10, 10, alphanumeric},
	{"tmp", 8, 8, func(c byte) bool { return lower(c) || digit(c) || c == '_' }},
	{"Rtmp", 6, 6, alphanumeric},
	{"cc", 6, 6, alphanumeric},
	{"go-build", 5, 10, digit},
}

// sameShape reports whether two names are a template with random characters in them: one that is known,
// or one in which both have 6 to 16 letters and digits in the same place, with capitals and small
// letters among them, as mkstemp(3) makes them.
func sameShape(x, y []byte) bool {
	for _, r := range randoms {
		m, n := randomLength(x, r.prefix, r.is), randomLength(y, r.prefix, r.is)
		if m < r.least || m > r.most || n < r.least || n > r.most {
			continue
		}
		from, to, end := len(r.prefix), len(r.prefix)+m, len(r.prefix)+n
		if bytes.Equal(x[to:], y[end:]) && (to == len(x) || !alphanumeric(x[to])) && unlike(x[from:to], y[from:end]) {
			return true
		}
	}
	if len(x) != len(y) {
		return false
	}
	from, to := common(x, y), len(x)
	for to > from && x[to-1] == y[to-1] {
		to--
	}
	for to < len(x) && alphanumeric(x[to]) {
		to++
	}
	return mixed(x[from:to]) && mixed(y[from:to]) && unlike(x[from:to], y[from:to])
}

// unlike reports whether two texts have hardly a byte in the same place, as random ones.
func unlike(x, y []byte) bool {
	same := 0
	for i := range min(len(x), len(y)) {
		if x[i] == y[i] {
			same++
		}
	}
	return same <= max(1, min(len(x), len(y))/4)
}

// randomLength returns how many bytes that is accepts follow the prefix of a name, -1 without it.
func randomLength(name []byte, prefix string, is func(byte) bool) int {
	rest, ok := bytes.CutPrefix(name, []byte(prefix))
	if !ok {
		return -1
	}
	n := 0
	for n < len(rest) && is(rest[n]) {
		n++
	}
	return n
}

// mixed reports whether a text can be the random part of a name: capitals and small letters, in
// another order than in a word that begins with a capital.
func mixed(b []byte) bool {
	small, capitals := 0, 0
	for i, c := range b {
		switch {
		case !alphanumeric(c):
			return false
		case lower(c):
			small++
		case i > 0 && letter(c):
			capitals++
		}
	}
	return 6 <= len(b) && len(b) <= 16 && small > 0 && capitals > 0
}

func alphanumeric(c byte) bool { return digit(c) || letter(c) }
func lower(c byte) bool        { return 'a' <= c && c <= 'z' }
