package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"qme/internal/safe"
)

// TokenVariable names the environment variable that holds a token: for access where no user
// can be asked and nothing may be written to a file, such as in a pipeline. It is only sent
// to the host of the URL that the user has given.
const TokenVariable = "QME_TOKEN"

// tokenUser is the name that goes with a token. Services that know tokens look at
// no name, but want one.
const tokenUser = "git"

// A credential is a user and password for one web server.
type credential struct {
	user, password string
	helper         string // as git credential has it; "" when that has no part in it
}

// An authority finds credentials. Each is for one scheme, host and port, and sent only
// there.
type authority struct {
	remote *Remote
	named  string // the origin of the URL that the user has given
	use    map[string]*credential
	tried  map[string]int // how many of the sources, by origin
	said   string         // the messages of git credential
}

func newAuthority(r *Remote) *authority {
	return &authority{remote: r, named: origin(r.loc.base()), use: map[string]*credential{}, tried: map[string]int{}}
}

// origin is the scheme, host and port for which a credential is.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// sign adds the credential for its origin to a request.
func (a *authority) sign(req *http.Request) {
	if c := a.use[origin(req.URL)]; c != nil {
		req.SetBasicAuth(c.user, c.password)
	}
}

// accepted tells git's helpers to keep a credential that was taken.
func (a *authority) accepted(ctx context.Context, resp *http.Response) error {
	c := a.use[origin(resp.Request.URL)]
	if c == nil || c.helper == "" || resp.StatusCode != http.StatusOK {
		return nil
	}
	a.tell(ctx, "approve", c)
	return nil
}

// tell runs git's helpers. Their errors are only reported: the exchange goes on.
func (a *authority) tell(ctx context.Context, verb string, c *credential) {
	if _, said, err := a.remote.git(ctx, c.helper, "credential", verb); err != nil {
		a.remote.out.own("warning: git credential " + verb + ": " + tidy(said))
	}
	c.helper = ""
}

// next gets another credential for where resp comes from. The one before was not
// taken.
func (a *authority) next(ctx context.Context, resp *http.Response) error {
	u := resp.Request.URL
	from := origin(u)
	if c := a.use[from]; c != nil && c.helper != "" {
		a.tell(ctx, "reject", c)
	}
	delete(a.use, from)
	if why := a.refuses(resp, from); why != "" {
		return a.remote.fail(ErrAccess, why, "")
	}
	sources := []func(context.Context, *url.URL) (*credential, error){a.token, a.netrc, a.helper, a.ask}
	for a.tried[from] < len(sources) {
		source := sources[a.tried[from]]
		a.tried[from]++
		c, err := source(ctx, u)
		if err != nil {
			return err
		}
		if c != nil {
			a.use[from] = c
			return nil
		}
	}
	return a.denied(u, from)
}

// refuses returns the reason for which no credential is sent; "" when one may be.
func (a *authority) refuses(resp *http.Response, from string) string {
	u := resp.Request.URL
	if u.Scheme == "http" && from != a.named && !loopback(u.Hostname()) {
		return "it redirects to " + from + ", which wants to know who we are, and where nothing is encrypted"
	}
	offers := resp.Header.Values("WWW-Authenticate")
	for _, offer := range offers {
		if scheme, _, _ := strings.Cut(strings.TrimSpace(offer), " "); strings.EqualFold(scheme, "Basic") {
			return ""
		}
	}
	if len(offers) > 0 {
		return "it wants to know who we are by a method that is not supported: " + offers[0]
	}
	return ""
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// denied is the error when there is nothing left to try.
func (a *authority) denied(u *url.URL, from string) error {
	said := "it does not take what we have to prove who we are"
	hint := "Set the variable " + TokenVariable + " to a token, or a credential helper (git config --global credential.helper ...), or put the host into ~/.netrc."
	if from != a.named {
		said = fmt.Sprintf("it redirects to %s, which wants to know who we are", from)
		hint = "A token in " + TokenVariable + " is sent to no other host than that of the URL: give the URL that it redirects to. " + hint
	}
	if a.said != "" {
		said += "\n" + a.said
	}
	return a.remote.fail(ErrAccess, said, hint)
}

// user returns the name that the URL gives for where u is.
func (a *authority) user(u *url.URL) string {
	if origin(u) != a.named {
		return ""
	}
	return a.remote.loc.user
}

func (a *authority) token(_ context.Context, u *url.URL) (*credential, error) {
	token := os.Getenv(TokenVariable)
	if token == "" || origin(u) != a.named {
		return nil, nil
	}
	user := a.user(u)
	if user == "" {
		user = tokenUser
	}
	return &credential{user: user, password: token}, nil
}

func (a *authority) netrc(_ context.Context, u *url.URL) (*credential, error) {
	home := os.Getenv("HOME")
	if home == "" {
		return nil, nil
	}
	path := filepath.Join(home, ".netrc")
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, a.remote.fail(ErrAccess, err.Error(), "Let the file be readable, or remove it.").because(err)
	}
	c := findNetrc(string(b), u.Hostname(), a.user(u))
	if c == nil || c.password == "" {
		return nil, nil
	}
	return c, nil
}

// helper asks git credential, and so the helpers that the user has set up.
func (a *authority) helper(ctx context.Context, u *url.URL) (*credential, error) {
	input := describe(u, a.user(u))
	out, said, err := a.remote.git(ctx, input+"\n", "credential", "fill")
	if err != nil {
		// That is usual: no helper knows the host, and git is not to ask itself.
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !strings.Contains(said, "terminal prompts disabled") {
			a.said = "git credential: " + said
		}
		return nil, nil
	}
	c := &credential{helper: out + "\n"}
	for line := range strings.SplitSeq(out, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "username":
			c.user = value
		case "password":
			c.password = value
		}
	}
	if c.password == "" {
		return nil, nil
	}
	return c, nil
}

// describe is the description of a URL for git credential.
func describe(u *url.URL, user string) string {
	s := "protocol=" + u.Scheme + "\nhost=" + u.Host + "\n"
	path := strings.TrimPrefix(u.Path, "/")
	for _, tail := range []string{"/info/refs", "/" + uploadPack, "/" + receivePack} {
		path = strings.TrimSuffix(path, tail)
	}
	s += "path=" + path + "\n"
	if user != "" {
		s += "username=" + user + "\n"
	}
	return s
}

// ask asks the user. git's helpers may keep the answer.
func (a *authority) ask(_ context.Context, u *url.URL) (*credential, error) {
	if a.remote.opts.Ask == nil {
		return nil, nil
	}
	site := u.Scheme + "://" + u.Host
	c := &credential{user: a.user(u)}
	var err error
	if c.user == "" {
		if c.user, err = a.remote.opts.Ask("Username for '"+safe.Line(site)+"': ", false); err != nil {
			return nil, a.remote.fail(ErrAccess, err.Error(), "").because(err)
		}
	}
	site = u.Scheme + "://" + url.User(c.user).String() + "@" + u.Host
	if c.password, err = a.remote.opts.Ask("Password for '"+safe.Line(site)+"': ", true); err != nil {
		return nil, a.remote.fail(ErrAccess, err.Error(), "").because(err)
	}
	if strings.ContainsAny(c.user+c.password, "\n\x00") {
		return nil, a.remote.fail(ErrAccess, "a user name or password has no newline in it", "")
	}
	c.helper = describe(u, c.user) + "password=" + c.password + "\n\n"
	return c, nil
}
