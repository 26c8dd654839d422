package remote

import (
	"context"
	"fmt"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
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
	if opts.Env == nil {
		opts.Env = os.Environ()
	}
	r := &Remote{opts: opts, loc: location{shown: masked(address)}, out: newMessages(nil, false)}
	entries, err := r.entries(ctx)
	if err != nil {
		return URLs{}, err
	}
	urls := URLs{Fetch: instead(entries, "insteadof", address)}
	urls.Push = urls.Fetch
	if to := instead(entries, "pushinsteadof", address); to != address {
		urls.Push = to
	}
	var push []string
	for _, e := range entries {
		if e.is("remote", "pushurl") && e.sub == name {
			push = append(push, instead(entries, "insteadof", e.value))
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

// instead returns the URL with what the longest fitting value of a key stands for.
func instead(entries []entry, key, address string) string {
	longest, base := "", ""
	for _, e := range entries {
		if e.is("url", key) && e.value != "" && strings.HasPrefix(address, e.value) && len(e.value) > len(longest) {
			longest, base = e.value, e.sub
		}
	}
	return base + address[len(longest):]
}

// An entry is one value of git's configuration: section.sub.key, of which section and
// key are in lower case.
type entry struct{ section, sub, key, value string }

func (e entry) is(section, key string) bool { return e.section == section && e.key == key }

// entries returns all of git's configuration, in the order in which git reads it.
func (r *Remote) entries(ctx context.Context) ([]entry, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return r.plainEntries(), nil
	}
	out, stderr, err := r.git(ctx, "", "config", "-z", "--list", "--includes")
	if err != nil {
		return nil, r.badConfig(stderr, err)
	}
	var list []entry
	for field := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		name, value, ok := strings.Cut(field, "\n")
		if !ok {
			value = "true" // a key alone
		}
		section, rest, _ := strings.Cut(name, ".")
		e := entry{section: strings.ToLower(section), key: strings.ToLower(rest), value: value}
		if dot := strings.LastIndexByte(rest, '.'); dot >= 0 {
			e.sub, e.key = rest[:dot], strings.ToLower(rest[dot+1:])
		}
		list = append(list, e)
	}
	return list, nil
}

// plainEntries is entries without the program git.
func (r *Remote) plainEntries() []entry {
	var list []entry
	for _, name := range r.configFiles() {
		for _, s := range readConfig(name) {
			for _, o := range s.Options {
				list = append(list, entry{strings.ToLower(s.Name), "", strings.ToLower(o.Key), o.Value})
			}
			for _, sub := range s.Subsections {
				for _, o := range sub.Options {
					list = append(list, entry{strings.ToLower(s.Name), sub.Name, strings.ToLower(o.Key), o.Value})
				}
			}
		}
	}
	return list
}

// extraHeaders returns what http.extraHeader has for a URL. An empty value forgets those
// before it.
func (r *Remote) extraHeaders(ctx context.Context, to *url.URL) (map[string][]string, error) {
	entries, err := r.entries(ctx)
	if err != nil {
		return nil, err
	}
	headers := map[string][]string{}
	for _, e := range entries {
		if !e.is("http", "extraheader") || e.sub != "" && !urlFits(e.sub, to, r.loc.user) {
			continue
		}
		name, value, ok := strings.Cut(e.value, ":")
		switch name = textproto.TrimString(name); {
		case e.value == "":
			clear(headers)
		case !ok || name == "" || strings.ContainsAny(e.value, "\r\n\x00"):
			return nil, r.fail(ErrURL, "http.extraHeader of git's configuration is no line NAME: VALUE", "Correct it.") // the value may be a secret
		default:
			name = textproto.CanonicalMIMEHeaderKey(name)
			headers[name] = append(headers[name], textproto.TrimString(value))
		}
	}
	return headers, nil
}

// urlFits reports whether what git's configuration has for one URL goes for another: it
// is the same host, and the same folder or one above (git-config(1), "http.<url>.*").
func urlFits(pattern string, to *url.URL, as string) bool {
	p, err := url.Parse(pattern)
	if err != nil || origin(p) != origin(to) && !hostFits(p, to) {
		return false
	}
	if p.User != nil && p.User.Username() != as {
		return false
	}
	path := strings.TrimSuffix(p.Path, "/")
	return path == "" || to.Path == path || strings.HasPrefix(to.Path, path+"/")
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
func (r *Remote) expandHome(path string) string {
	if path == "" || path[0] != '~' {
		return path
	}
	name, rest, _ := strings.Cut(path[1:], "/")
	if name == "" {
		return filepath.Join(r.getenv("HOME"), rest)
	}
	u, err := user.Lookup(name)
	if err != nil {
		return path // there is no such file, which is going to be said
	}
	return filepath.Join(u.HomeDir, rest)
}
