package remote_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/gitstore/remote"
)

// A credentialHelper is one of git's, which notes what it is asked.
type credentialHelper struct{ log string }

// newHelper sets up a helper that answers with the given lines.
func newHelper(t *testing.T, home, answer string) *credentialHelper {
	t.Helper()
	h := &credentialHelper{log: filepath.Join(home, "helper.log")}
	program := script(t, filepath.Join(home, "helper"), `{ echo "$1"; cat; } >>'`+h.log+`'
[ "$1" = get ] && printf '`+answer+`'
exit 0
`)
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "credential.helper")
	t.Setenv("GIT_CONFIG_VALUE_0", program)
	return h
}

// asked returns what the helper was asked, and forgets it.
func (h *credentialHelper) asked(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(h.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Remove(h.log); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

func netrc(t *testing.T, home, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, ".netrc"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// works checks that a session can be had.
func works(t *testing.T, url string, opts remote.Options) {
	t.Helper()
	s, err := open(t, url, opts).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestAuthToken(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, password("git", "t0ken"))
	trust(t, home, s)
	clean(t)
	t.Setenv("QME_TOKEN", "t0ken")
	roundTrip(t, s.dir, s.repository(), remote.Options{})
	s.before = password("me", "t0ken")
	works(t, strings.Replace(s.repository(), "://", "://me@", 1), remote.Options{})
	t.Setenv("QME_TOKEN", "0ther")
	err := fetchError(t, open(t, s.repository(), remote.Options{}))
	wants(t, err, remote.ErrAccess, s.repository(), "QME_TOKEN", "credential helper", "netrc")
	if strings.Contains(err.Error(), "0ther") {
		t.Errorf("the error tells the token: %v", err)
	}
}

func TestAuthHelper(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, password("tester", "s&cret"))
	trust(t, home, s)
	clean(t)
	h := newHelper(t, home, `username=tester\npassword=s&cret\n`)
	roundTrip(t, s.dir, s.repository(), remote.Options{})
	log := h.asked(t)
	site := "protocol=https\nhost=" + strings.TrimPrefix(s.URL, "https://") + "\n"
	if !strings.HasPrefix(log, "get\n"+site) || strings.Count(log, "get\n") != 3 || strings.Count(log, "store\n"+site) != 3 || strings.Contains(log, "erase") {
		t.Errorf("the helper was asked %q", log)
	}

	s.before = password("tester", "another")
	var said safeBuffer
	err := fetchError(t, open(t, s.repository(), remote.Options{Messages: &said}))
	wants(t, err, remote.ErrAccess)
	if log = h.asked(t); !strings.Contains(log, "erase\n"+site) || strings.Contains(log, "store") {
		t.Errorf("the helper was asked %q", log)
	}
	if strings.Contains(err.Error()+said.String(), "s&cret") {
		t.Errorf("a password is told: %v; %s", err, said.String())
	}
}

func TestAuthPathForHelper(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, password("tester", "secret"))
	trust(t, home, s)
	h := newHelper(t, home, `username=tester\npassword=secret\n`)
	git(t, "", "config", "--global", "credential.useHttpPath", "true")
	works(t, s.repository(), remote.Options{})
	if log := h.asked(t); !strings.Contains(log, "path="+filepath.Base(s.dir)+"\n") {
		t.Errorf("the helper was asked %q", log)
	}
}

func TestAuthBrokenHelper(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, password("tester", "secret"))
	trust(t, home, s)
	clean(t)
	git(t, "", "config", "--global", "credential.helper", "!echo quit=1; echo; echo I am ill >&2; exit 1")
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrAccess, "git credential", "I am ill")
}

func TestAuthNetrc(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, password("tester", "secret"))
	trust(t, home, s)
	clean(t)
	netrc(t, home, "machine example.org login a password b\nmachine 127.0.0.1 login tester password secret\n")
	roundTrip(t, s.dir, s.repository(), remote.Options{})
	wants(t, fetchError(t, open(t, strings.Replace(s.repository(), "://", "://me@", 1), remote.Options{})), remote.ErrAccess)
	netrc(t, home, "machine example.org login tester password secret\n")
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrAccess)
}

func TestAuthAsk(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, password("tester", "secret"))
	trust(t, home, s)
	clean(t)
	h := newHelper(t, home, ``)
	var prompts []string
	answers := map[bool]string{false: "tester", true: "secret"}
	opts := remote.Options{Ask: func(prompt string, secret bool) (string, error) {
		prompts = append(prompts, prompt)
		return answers[secret], nil
	}}
	works(t, s.repository(), opts)
	host := strings.TrimPrefix(s.URL, "https://")
	want := []string{"Username for 'https://" + host + "': ", "Password for 'https://tester@" + host + "': "}
	if !slices.Equal(prompts, want) {
		t.Errorf("asked %q, want %q", prompts, want)
	}
	if log := h.asked(t); !strings.Contains(log, "store\n") || !strings.Contains(log, "password=secret\n") {
		t.Errorf("the helper was asked %q", log)
	}
	prompts = nil
	works(t, strings.Replace(s.repository(), "://", "://tester@", 1), opts)
	if !slices.Equal(prompts, want[1:]) {
		t.Errorf("asked %q, want %q", prompts, want[1:])
	}
	answers[true] = "wrong"
	prompts = nil
	wants(t, fetchError(t, open(t, s.repository(), opts)), remote.ErrAccess)
	if len(prompts) != 2 {
		t.Errorf("asked %q: once is enough", prompts)
	}
	errAway := errors.New("nobody is there")
	opts.Ask = func(string, bool) (string, error) { return "", errAway }
	wants(t, fetchError(t, open(t, s.repository(), opts)), errAway)
}

func TestAuthMethods(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("WWW-Authenticate", "Negotiate")
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	trust(t, home, s)
	t.Setenv("QME_TOKEN", "t0ken")
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrAccess, "Negotiate")
	for _, a := range s.authorizations() {
		if a != "" {
			t.Errorf("sent for Negotiate: %q", a)
		}
	}
}

// A redirection on the same host takes the credential along.
func TestAuthRedirectSameHost(t *testing.T) {
	home := isolate(t)
	asked := password("git", "t0ken")
	s := serve(t, 1, nil)
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if asked(w, r) {
			return true
		}
		if rest, ok := strings.CutPrefix(r.RequestURI, "/old/"); ok {
			http.Redirect(w, r, "/"+rest, http.StatusMovedPermanently)
			return true
		}
		return false
	}
	trust(t, home, s)
	clean(t)
	t.Setenv("QME_TOKEN", "t0ken")
	old := strings.Replace(s.repository(), s.URL, s.URL+"/old", 1)
	roundTrip(t, s.dir, old, remote.Options{})
}

// Nothing that is for one host reaches another, whatever the source.
func TestAuthRedirectOtherHost(t *testing.T) {
	home := isolate(t)
	evil := serve(t, 1, password("nobody", "knows"))
	good := serve(t, 1, nil)
	asked := password("git", "t0ken")
	good.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !asked(w, r) {
			http.Redirect(w, r, evil.URL+r.RequestURI, http.StatusFound)
		}
		return true
	}
	trust(t, home, good)
	git(t, "", "config", "--global", "http.sslCAInfo", filepath.Join(home, "ca.pem"))
	clean(t)
	t.Setenv("QME_TOKEN", "t0ken")
	err := fetchError(t, open(t, strings.Replace(good.repository(), "://", "://git@", 1), remote.Options{}))
	wants(t, err, remote.ErrAccess, evil.URL, "QME_TOKEN is sent to no other host")
	if got := evil.authorizations(); len(got) == 0 || strings.Join(got, "") != "" {
		t.Errorf("the other host got %q", got)
	}
	// It gets what the user's helper has for it, and is asked about by its own name.
	h := newHelper(t, home, `username=nobody\npassword=knows\n`)
	works(t, strings.Replace(good.repository(), filepath.Base(good.dir), filepath.Base(evil.dir), 1), remote.Options{})
	if log := h.asked(t); !strings.Contains(log, "host="+strings.TrimPrefix(evil.URL, "https://")+"\n") || strings.Contains(log, "host="+strings.TrimPrefix(good.URL, "https://")+"\n") {
		t.Errorf("the helper was asked %q", log)
	}
}

// Over plain http a credential goes to the host that the user has named, and to
// none that this one redirects to.
func TestAuthPlainRedirect(t *testing.T) {
	isolate(t)
	s := serve(t, 1, password("git", "t0ken"))
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Host == "named.example" {
			http.Redirect(w, r, "http://other.example"+r.URL.EscapedPath()+"?"+r.URL.RawQuery, http.StatusFound)
			return true
		}
		return password("git", "t0ken")(w, r)
	}
	// A proxy stands for the two hosts.
	proxy := newPlainServer(t, s)
	git(t, "", "config", "--global", "http.proxy", proxy)
	t.Setenv("QME_TOKEN", "t0ken")
	base := "/" + strings.ReplaceAll(filepath.Base(s.dir), " ", "%20")
	works(t, "http://other.example"+base, remote.Options{})
	s.requests = nil
	newHelper(t, os.Getenv("HOME"), `username=git\npassword=t0ken\n`)
	wants(t, fetchError(t, open(t, "http://named.example"+base, remote.Options{})), remote.ErrAccess, "http://other.example:80", "nothing is encrypted")
	if got := strings.Join(s.authorizations(), ""); got != "" {
		t.Errorf("sent: %q", got)
	}
}

// While a helper hangs, the end of the context ends it.
func TestAuthCancel(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, password("tester", "secret"))
	trust(t, home, s)
	clean(t)
	fifo := filepath.Join(home, "reached")
	git(t, "", "config", "--global", "credential.helper", "!trap '' TERM; echo $$ >'"+fifo+"'; exec sleep 1000;")
	ctx, pid := cancelAt(t, fifo)
	_, err := open(t, s.repository(), remote.Options{}).Fetch(ctx)
	wants(t, err, context.Canceled)
	gone(t, <-pid)
}
