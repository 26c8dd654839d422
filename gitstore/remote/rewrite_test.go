package remote_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/gitstore/remote"
)

// TestExtraHeader compares with what git sends: what is for the URL, and to nobody else.
func TestExtraHeader(t *testing.T) {
	home := isolate(t)
	seen := http.Header{}
	s := serve(t, 1, func(w http.ResponseWriter, r *http.Request) bool {
		seen = r.Header.Clone()
		if r.Header.Get("Authorization") != "Basic c2VjcmV0" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return true
		}
		return false
	})
	trust(t, home, s)
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrAccess)
	own := newRepository(t, 0)
	host := strings.Replace(s.URL, "127.0.0.1", "*.0.0.1", 1)
	git(t, own, "config", "http."+s.URL+"/.extraHeader", "Authorization: Basic c2VjcmV0")
	git(t, own, "config", "--add", "http."+s.repository()+".extraHeader", "X-One:  1 ")
	git(t, own, "config", "--add", "http."+s.repository()+".extraHeader", "X-One: 2")
	git(t, own, "config", "http."+host+".extraHeader", "X-Star: yes")
	git(t, own, "config", "http.https://other.invalid/.extraHeader", "X-Other: no")
	git(t, own, "config", "http."+s.URL+"/some.extraHeader", "X-Path: no")
	git(t, own, "config", "http."+strings.Replace(s.URL, "https:", "http:", 1)+".extraHeader", "X-Plain: no")
	for _, path := range []string{os.Getenv("PATH"), home} { // with the program git, and without
		t.Setenv("PATH", path)
		roundTripless(t, s, own)
		for name, want := range map[string]string{"X-One": "1,2", "X-Star": "yes", "X-Other": "", "X-Path": "", "X-Plain": ""} {
			if got := strings.Join(seen[name], ","); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
}

// roundTripless fetches by the configuration of a repository.
func roundTripless(t *testing.T, s *webServer, own string) {
	t.Helper()
	session, err := open(t, s.repository(), remote.Options{GitDir: own}).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

// TestExtraHeaderStays has a server redirect to another: a header may be a secret.
func TestExtraHeaderStays(t *testing.T) {
	home := isolate(t)
	told := ""
	other := serve(t, 1, func(_ http.ResponseWriter, r *http.Request) bool { told += r.Header.Get("X-Secret"); return false })
	first := serve(t, 1, func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.repository()+"/info/refs?"+r.URL.RawQuery, http.StatusFound)
		return true
	})
	trust(t, home, first)
	git(t, "", "config", "--global", "http.sslVerify", "false")
	git(t, "", "config", "--global", "http.extraHeader", "X-Secret: abc")
	fetch(t, open(t, first.repository(), remote.Options{}))
	if told != "" {
		t.Errorf("the other server was told %q", told)
	}
	git(t, "", "config", "--global", "http.extraHeader", "abcsecret")
	err := fetchError(t, open(t, first.repository(), remote.Options{}))
	if wants(t, err, remote.ErrURL, "http.extraHeader"); strings.Contains(err.Error(), "abcsecret") {
		t.Errorf("%v", err)
	}
}

// TestSSLCAInfoHome names the certificate as people write it.
func TestSSLCAInfoHome(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	trust(t, home, s)
	git(t, "", "config", "--global", "http."+s.URL+".sslCAInfo", "~/"+filepath.Base(filepath.Join(home, "ca.pem")))
	fetch(t, open(t, s.repository(), remote.Options{}))
}

// TestLengthRequired pushes to a server that takes no chunks: with git's way out it works.
func TestLengthRequired(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, func(w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength < 0 {
			http.Error(w, "length required", http.StatusLengthRequired)
			return true
		}
		return false
	})
	trust(t, home, s)
	ours := newRepository(t, 0)
	git(t, ours, "fetch", "-q", s.dir, "main:main")
	next := commit(t, ours, random(t, 3<<20))
	wants(t, push(t, open(t, s.repository(), remote.Options{}), ours, next), remote.ErrProtocol, "411", "http.postBuffer")
	for _, size := range []string{"2M", "x", "-1"} {
		git(t, "", "config", "--global", "http.postBuffer", size)
		wants(t, push(t, open(t, s.repository(), remote.Options{}), ours, next), remote.ErrProtocol, "http.postBuffer")
	}
	git(t, "", "config", "--global", "http.postBuffer", "16m")
	if err := push(t, open(t, s.repository(), remote.Options{}), ours, next); err != nil {
		t.Fatal(err)
	}
	if got := tip(t, s.dir); got != next {
		t.Errorf("the branch is at %s", got)
	}
}
