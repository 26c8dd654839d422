package remote

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"qme/internal/lazy"
	"qme/internal/safe"
)

// A location is a URL or path, taken apart.
type location struct {
	scheme string // file, ssh, https or http
	user   string
	host   string // without the brackets of an IPv6 address
	port   string // "" for the usual one
	path   string // as the other side gets it
	shown  string // for people; without a secret
}

// knownHost is the name of the host in the file known_hosts.
func (l *location) knownHost() string {
	if l.port == "" || l.port == "22" {
		return l.host
	}
	return "[" + l.host + "]:" + l.port
}

var (
	urlForm    = lazy.Regexp(`^([A-Za-z][A-Za-z0-9+.-]*)://`)
	helperForm = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9+.-]*::`)
	scpForm    = lazy.Regexp(`^([^/:\[\]]+@)?(\[[^/\[\]]+\]|[^/:@\[\]]+):(.*)$`)
	// user:password@host:path, which as the scp form is the host "user".
	scpPassword = lazy.Regexp(`^[^/:@]+:[^/@]+@[^/:]+:`)
	hostForm    = lazy.Regexp(`^[\pL\pN._-]+$`)
	// What begins as a path, and is a URL that was mistyped: //user:password@host/path,
	// https//user:password@host/path.
	pathPassword = lazy.Regexp(`^[^/]*/{2,}[^/]*:[^/]*@|^/*[^/]*:[^/]*@`)
	// A path on a server in which a user and a password stand before a host.
	innerPassword = lazy.Regexp(`(:|%3[Aa]).*(@|%40)`)
)

// parse takes a URL or path apart.
func parse(s string) (location, error) {
	if s == "" {
		return location{}, badURL(s, "it is empty")
	}
	if strings.ContainsFunc(s, isControl) {
		return location{}, badURL(s, "it has a control character in it")
	}
	var loc location
	var why string
	switch scheme := urlForm().FindString(s); {
	case scheme != "":
		loc, why = parseURL(strings.ToLower(strings.TrimSuffix(scheme, "://")), s[len(scheme):])
	case helperForm().MatchString(s):
		why = "remote helpers are not supported; use a path, ssh or https"
	case scpPassword().MatchString(s):
		why = passwordHint
	case scpForm().MatchString(s):
		loc, why = parseSCP(s)
	default:
		loc, why = parsePath(s)
	}
	if why == "" {
		why = loc.strange()
	}
	if why != "" {
		return location{}, badURL(s, why)
	}
	loc.shown = masked(s)
	return loc, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

const passwordHint = "it holds a password, which others could see; leave that out and use a credential helper of git's, " +
	"~/.netrc or the variable QME_TOKEN"

// strange returns a fault of a part that a program could take for something else; "" for
// none.
func (l *location) strange() string {
	for _, part := range []string{l.user, l.host, l.path} {
		switch {
		case strings.HasPrefix(part, "-"):
			return "a part of it begins with '-' and would be taken for an option"
		case strings.ContainsFunc(part, isControl):
			return "it has a control character in it"
		}
	}
	switch n, err := strconv.Atoi(l.port); {
	case l.port != "" && (err != nil || n < 1 || n > 65535):
		return "its port is not a number from 1 to 65535"
	case l.scheme != "file" && l.host == "":
		return "it names no host"
	case l.scheme != "file" && !hostForm().MatchString(l.host) && !isIPv6(l.host):
		return "it has a host name that cannot be"
	case l.path == "":
		return "it names no repository"
	}
	return ""
}

func isIPv6(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Is6()
}

// badURL is the error for a URL; why is for people.
func badURL(s, why string) error {
	return &failure{url: Shown(s), kind: ErrURL, said: why}
}

// Shown returns a URL or path as it may be shown: fit for one line, and without parts that
// may be a password. git's own configuration may hold any.
func Shown(s string) string { return safe.Line(masked(s)) }

// masked hides parts that may be a password, in a URL that need not be valid.
func masked(s string) string {
	if helper := helperForm().FindString(s); helper != "" {
		return helper + "***" // and a command
	}
	query := strings.IndexAny(s, "?#;")
	if query < 0 || !isRemote(s) && !strings.Contains(s[query:], "=") {
		return maskedUser(s)
	}
	// A password may have the character in it.
	if secretEnd(s[query:]) >= 0 {
		return s[:max(0, strings.Index(s[:query], "://")+len("://"))] + "***"
	}
	return maskedUser(s[:query]) + s[query:query+1] + "***"
}

// isRemote tells a URL and the form of scp from a path.
func isRemote(s string) bool { return urlForm().MatchString(s) || scpForm().MatchString(s) }

// secretEnd returns where the last @ stands, also where it is written as in a URL; -1 where
// there is none.
func secretEnd(s string) int { return max(strings.LastIndex(s, "@"), strings.LastIndex(s, "%40")) }

// maskedUser hides the part before the host.
func maskedUser(s string) string {
	start := 0
	if i := strings.Index(s, "://"); i >= 0 {
		start = i + len("://")
	}
	colon := secretStart().FindStringIndex(s[start:])
	at := secretEnd(s)
	if at > start && isToken(s[start:at]) {
		return s[:start] + "***" + s[at:]
	}
	if colon == nil || at < start+colon[0] {
		if slash := strings.LastIndex(s[:max(at, 0)], "/"); start > 0 && slash >= start {
			return s[:slash+1] + "***" + s[at:] // in the path
		}
		return s
	}
	return s[:start+colon[0]] + ":***" + s[at:]
}

var secretStart = lazy.Regexp(`:|%3[Aa]`)

// parseURL parses the part of a URL after scheme://.
func parseURL(scheme, rest string) (loc location, why string) {
	switch scheme {
	case "file":
		path, err := url.PathUnescape(strings.TrimPrefix(rest, "localhost"))
		if err != nil || !strings.HasPrefix(path, "/") {
			return location{}, "a file URL is file:// and an absolute path"
		}
		return location{scheme: scheme, path: filepath.Clean(path)}, ""
	case "ssh", "git+ssh", "ssh+git":
		scheme = "ssh"
	case "https", "http":
		if strings.ContainsAny(rest, "?#;") {
			return location{}, "it has a '?', '#' or ';' in it"
		}
	case "git":
		return location{}, "git:// proves neither who is there nor what is sent; use ssh or https"
	default:
		return location{}, "its scheme is none of file, ssh, https and http"
	}
	// net/url would take '?' and '#' out of the path of an ssh URL, and show the
	// password in its errors.
	authority, path, _ := strings.Cut(rest, "/")
	loc, why = parseAuthority(authority)
	if why != "" {
		return location{}, why
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return location{}, "it has a '%' that is not followed by two hexadecimal digits"
	}
	if innerPassword().MatchString(path) || tokenInside(path) {
		return location{}, passwordHint
	}
	if path = strings.TrimRight(path, "/"); path != "" {
		loc.path = "/" + path
	}
	if loc.scheme = scheme; scheme == "ssh" && strings.HasPrefix(path, "~") {
		loc.path = path // of a home there
	}
	return loc, ""
}

// tokenPrefixes begin the tokens of large git hosts.
var tokenPrefixes = []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glcbt-", "glptt-", "gloas-", "ATBB", "ATCTT3"}

// The parts of a token are long, and letters and digits change often in them. In names
// they do not: firstname.lastname-at-123456789012, gitlab+deploy-token-1234567.
const (
	tokenPart    = 20
	tokenChanges = 4
)

// isToken reports whether a user name is a token, which is a password: one of a large git
// host, or one that looks like a token.
func isToken(user string) bool {
	if name, err := url.PathUnescape(user); err == nil {
		user = name
	}
	if slices.ContainsFunc(tokenPrefixes, func(p string) bool { return strings.HasPrefix(user, p) }) {
		return true
	}
	parts := strings.FieldsFunc(user, func(r rune) bool { return strings.ContainsRune("-.+@", r) })
	return slices.ContainsFunc(parts, func(part string) bool { return len(part) >= tokenPart && changes(part) >= tokenChanges })
}

// tokenInside reports whether a part of a path looks like a token and a host.
func tokenInside(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool {
		at := strings.LastIndexByte(part, '@')
		return at > 0 && isToken(part[:at])
	})
}

// changes counts how often letters and digits of a text follow each other.
func changes(s string) int {
	n, last := 0, 0
	for _, c := range s {
		kind := 0
		switch {
		case unicode.IsDigit(c):
			kind = 1
		case unicode.IsLetter(c):
			kind = 2
		}
		if kind != 0 && last != 0 && kind != last {
			n++
		}
		if kind != 0 {
			last = kind
		}
	}
	return n
}

// parseAuthority takes [user@]host[:port] apart.
func parseAuthority(s string) (loc location, why string) {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		user, _, password := strings.Cut(s[:at], ":")
		if password || isToken(user) {
			return location{}, passwordHint
		}
		var err error
		if loc.user, err = url.PathUnescape(user); err != nil || strings.ContainsRune(loc.user, ':') {
			return location{}, "it has a user name that cannot be"
		}
		s = s[at+1:]
	}
	if inner, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "]"); ok && s[0] == '[' {
		loc.host, s = inner, rest
		if !isIPv6(inner) || s != "" && s[0] != ':' {
			return location{}, "it has a host name that cannot be"
		}
		loc.port = strings.TrimPrefix(s, ":")
		return loc, ""
	}
	loc.host, loc.port, _ = strings.Cut(s, ":")
	return loc, ""
}

// parseSCP takes [user@]host:path apart. Brackets hold an IPv6 address or, as in
// git, host:port.
func parseSCP(s string) (loc location, why string) {
	m := scpForm().FindStringSubmatch(s)
	loc = location{scheme: "ssh", user: strings.TrimSuffix(m[1], "@"), host: m[2], path: m[3]}
	// As in user:password@host/path and https:/user:password@host/path, which git, too,
	// would take for hosts "user" and "https".
	first, _, _ := strings.Cut(loc.path, "/")
	if isToken(loc.user) || strings.Contains(first, "@") || innerPassword().MatchString(loc.path) || tokenInside(loc.path) {
		return location{}, passwordHint
	}
	if inner, ok := strings.CutPrefix(m[2], "["); ok {
		loc.host = strings.TrimSuffix(inner, "]")
		if !isIPv6(loc.host) {
			loc.host, loc.port, _ = strings.Cut(loc.host, ":")
		}
	}
	// As git: "host:/~user/x" is in a home, too.
	if strings.HasPrefix(loc.path, "/~") {
		loc.path = loc.path[1:]
	}
	return loc, ""
}

func parsePath(s string) (loc location, why string) {
	if pathPassword().MatchString(s) {
		return location{}, passwordHint
	}
	path, err := filepath.Abs(s)
	if err != nil {
		return location{}, "the working directory is not known: " + err.Error()
	}
	return location{scheme: "file", path: path}, ""
}

// base returns the URL of an https or http location without the user name.
func (l *location) base() *url.URL {
	host := l.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if l.port != "" {
		host += ":" + l.port
	}
	return &url.URL{Scheme: l.scheme, Host: host, Path: l.path}
}
