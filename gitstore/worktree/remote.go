package worktree

import (
	"net/url"
	"slices"
	"strings"

	"qme/internal/lazy"
)

// remote returns the URL of the branch's remote, else that of origin, as the repository's own
// configuration has it and without what may be secret; "" if there is none.
func (r *repo) remote(branch string) string {
	name, known := last(r.own, "branch."+branch+".remote")
	if known != yes || branch == "" || name == "" {
		name = "origin"
	}
	address, known := last(r.own, "remote."+name+".url")
	if known != yes {
		return ""
	}
	return publicURL(address)
}

// schemes are those of git itself. What is after another one is up to a helper.
var schemes = []string{"https", "http", "ssh", "git", "git+ssh", "ssh+git", "file", "ftp", "ftps"}

var (
	// hostAndPath matches [USER@]HOST:PATH as ssh reads it.
	hostAndPath = lazy.Regexp(`^([A-Za-z0-9._-]+@)?([A-Za-z0-9][A-Za-z0-9.-]*):([^:@?#;/][^:@?#;]*|/[^:@?#;/][^:@?#;]*)$`)
	// onlyPath matches a path in a file system, and the path of a URL.
	onlyPath = lazy.Regexp(`^[^:@?#;]+$`)
)

// publicURL returns an address of a repository without user, password, query and fragment; the user
// "git", which is no secret, stays. An address of which it cannot be told is "".
func publicURL(address string) string {
	const longest = 1000
	switch m := hostAndPath().FindStringSubmatch(address); {
	case len(address) > longest || strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
		return ""
	case strings.HasPrefix(address, "//"):
		return ""
	case m != nil && !slices.Contains(schemes, m[2]):
		user := ""
		if m[1] == "git@" {
			user = m[1]
		}
		return user + m[2] + ":" + m[3]
	case !strings.Contains(address, ":"):
		return onlyPath().FindString(address)
	}
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || !slices.Contains(schemes, u.Scheme) || u.Host == "" && u.Scheme != "file" || !onlyPath().MatchString(u.Path) {
		return ""
	}
	kept := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.User.Username() == "git" && strings.Contains(u.Scheme, "ssh") {
		kept.User = url.User("git")
	}
	return kept.String()
}
