package worktree

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// longestURL bounds the URL of a remote.
const longestURL = 1000

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

// publicURL returns an address of a repository without password, query and fragment, and without
// a user where that may be a token; "" for one that cannot be told apart.
func publicURL(address string) string {
	if len(address) > longestURL || !utf8.ValidString(address) {
		return ""
	}
	if !strings.Contains(address, "://") { // HOST:PATH, or a path
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	if name := u.User.Username(); u.Scheme == "ssh" && name != "" {
		u.User = url.User(name)
	} else {
		u.User = nil
	}
	return u.String()
}
