package remote

import (
	"context"
	"fmt"
	"net/textproto"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// URLs are where a remote is reached, as git understands its configuration.
type URLs struct{ Fetch, Push string }

// Resolve follows git's configuration from the name and the URL of a remote to where it
// is: url.BASE.insteadOf and pushInsteadOf, and remote.NAME.pushurl. The error wraps
// ErrURL. It may run the program git.
func Resolve(ctx context.Context, name, address string, opts Options) (URLs, error) {
	r := &Remote{opts: opts, loc: location{shown: masked(address)}, out: newMessages(nil)}
	set, err := r.settings(ctx)
	if err != nil {
		return URLs{}, err
	}
	urls := URLs{Fetch: instead(set, "insteadof", address)}
	urls.Push = urls.Fetch
	if to := instead(set, "pushinsteadof", address); to != address {
		urls.Push = to
	}
	var push []string
	for _, s := range set {
		if sub, ok := s.In("remote", "pushurl"); ok && sub == name {
			push = append(push, instead(set, "insteadof", s.Value))
		}
	}
	switch {
	case len(push) > 1:
		return URLs{}, r.fail(ErrURL, fmt.Sprintf("remote.%s.pushurl of git's configuration has %d values, and a push goes to one place", name, len(push)), "Make remotes of the others.")
	case len(push) == 1:
		urls.Push = push[0]
	}
	return urls, nil
}

// instead returns the URL with the longest fitting value of a key replaced by its base.
func instead(set settings, key, address string) string {
	longest, base := "", ""
	for _, s := range set {
		sub, ok := s.In("url", key)
		if ok && s.Value != "" && strings.HasPrefix(address, s.Value) && len(s.Value) > len(longest) {
			longest, base = s.Value, sub
		}
	}
	return base + address[len(longest):]
}

// extraHeaders returns the headers of http.extraHeader for a URL. An empty value forgets
// those before it.
func (r *Remote) extraHeaders(set settings, to *url.URL) (map[string][]string, error) {
	headers := map[string][]string{}
	for _, s := range set {
		sub, ok := s.In("http", "extraheader")
		if _, fits := urlRank(sub, to, r.loc.user); !ok || !fits {
			continue
		}
		name, value, ok := strings.Cut(s.Value, ":")
		switch name = textproto.TrimString(name); {
		case s.Value == "":
			clear(headers)
		case !ok || name == "" || strings.ContainsAny(s.Value, "\r\n\x00"):
			return nil, r.fail(ErrURL, "http.extraHeader of git's configuration is no line NAME: VALUE", "Correct it.") // the value may be a secret
		default:
			name = textproto.CanonicalMIMEHeaderKey(name)
			headers[name] = append(headers[name], textproto.TrimString(value))
		}
	}
	return headers, nil
}

// urlRank reports whether the configuration for a URL applies to another: it is the same
// host, and the same folder or one above (git-config(1), "http.<url>.*"). The rank is
// higher for a more specific URL; "" fits all.
func urlRank(pattern string, to *url.URL, as string) (rank []int, fits bool) {
	if pattern == "" {
		return nil, true
	}
	p, err := url.Parse(pattern)
	if err != nil || origin(p) != origin(to) && !hostFits(p, to) {
		return nil, false
	}
	user := p.User.Username()
	if user != "" && user != as {
		return nil, false
	}
	path := strings.TrimSuffix(p.Path, "/")
	fits = path == "" || to.Path == path || strings.HasPrefix(to.Path, path+"/")
	return []int{len(p.Hostname()), len(path), min(len(user), 1)}, fits
}

// hostFits compares hosts, of whose parts a * stands for any.
func hostFits(p, to *url.URL) bool {
	want, have := strings.Split(strings.ToLower(p.Hostname()), "."), strings.Split(strings.ToLower(to.Hostname()), ".")
	if len(want) != len(have) {
		return false
	}
	for i, part := range want {
		if part != "*" && part != have[i] {
			return false
		}
	}
	q := *p
	q.Host = to.Hostname()
	if strings.Contains(q.Host, ":") {
		q.Host = "[" + q.Host + "]"
	}
	if p.Port() != "" {
		q.Host += ":" + p.Port()
	}
	return origin(&q) == origin(to)
}

// expandHome is a path of git's configuration, in which ~ and ~USER are homes.
func expandHome(path string) string {
	if path == "" || path[0] != '~' {
		return path
	}
	name, rest, _ := strings.Cut(path[1:], "/")
	if name == "" {
		return filepath.Join(os.Getenv("HOME"), rest)
	}
	u, err := user.Lookup(name)
	if err != nil {
		return path // there is no such file, which is going to be said
	}
	return filepath.Join(u.HomeDir, rest)
}
