package mask

import (
	"path"
	"slices"
	"strings"
)

// DefaultNames are the names of variables that usually hold secrets, as patterns separated by
// commas. A name such as *_KEY alone is no sign of a secret (PRIMARY_KEY, CACHE_KEY): masking its
// value would spoil output that has nothing to do with it.
const DefaultNames = "*TOKEN,*_TOKEN_*,*PASSWORD*,*PASSWD*,*PASSPHRASE*,*_PASS,*_PWD,SSHPASS,*SECRET*," +
	"AWS_*KEY*,*API_KEY*,*APIKEY*,*ACCESS_KEY*,*AUTH_KEY*,*PRIVATE_KEY*,*SIGNING_KEY*,*ENCRYPTION_KEY*," +
	"*CREDENTIALS,GITHUB_PAT,GH_PAT"

// always are secrets of qme itself, whatever the patterns say.
var always = []string{"QME_TOKEN", "QME_SERVER_KEY", "QME_DATABASE_STRING"}

// pathEndings end the names of variables that say where a secret is.
var pathEndings = []string{"_FILE", "_PATH", "_DIR"}

// names decides by their names which variables hold secrets.
type names struct{ in, out []glob }

// parseNames returns what the patterns name. One that begins with ! excludes names, even if
// others include them. Upper and lower case are the same.
func parseNames(patterns []string) names {
	var n names
	for _, p := range patterns {
		if p, excludes := strings.CutPrefix(p, "!"); excludes {
			n.out = append(n.out, parseGlob(p))
			continue
		}
		n.in = append(n.in, parseGlob(p))
	}
	return n
}

func (n names) match(name string) bool {
	name = strings.ToUpper(name)
	switch {
	case slices.Contains(always, name):
		return true
	case slices.ContainsFunc(n.out, func(g glob) bool { return g.match(name) }):
		return false
	}
	return slices.ContainsFunc(n.in, func(g glob) bool { return g.match(name) && (g.kind == exact || !isPathName(name)) })
}

// parts reports whether secrets are looked for in parts of a variable's value, whatever its name.
func (n names) parts(name string) bool {
	return len(n.in) > 0 && !slices.ContainsFunc(n.out, func(g glob) bool { return g.match(strings.ToUpper(name)) })
}

func isPathName(name string) bool {
	return slices.ContainsFunc(pathEndings, func(end string) bool { return strings.HasSuffix(name, end) })
}

// A glob is a pattern with * and ?. Most are simple enough to be compared quickly: all variables
// are looked at for each run.
type glob struct {
	kind globKind
	text string
}

type globKind int

const (
	exact globKind = iota
	prefix
	suffix
	contains
	other
)

func parseGlob(pattern string) glob {
	pattern = strings.ToUpper(pattern)
	text, begins := strings.CutPrefix(pattern, "*")
	text, ends := strings.CutSuffix(text, "*")
	switch {
	case strings.ContainsAny(text, `*?[\`):
		return glob{other, pattern}
	case begins && ends:
		return glob{contains, text}
	case begins:
		return glob{suffix, text}
	case ends:
		return glob{prefix, text}
	}
	return glob{exact, text}
}

func (g glob) match(name string) bool {
	switch g.kind {
	case exact:
		return name == g.text
	case prefix:
		return strings.HasPrefix(name, g.text)
	case suffix:
		return strings.HasSuffix(name, g.text)
	case contains:
		return strings.Contains(name, g.text)
	}
	ok, err := path.Match(g.text, name)
	return ok && err == nil
}
