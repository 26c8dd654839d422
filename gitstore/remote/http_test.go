package remote_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/remote"
)

// A webServer is git http-backend behind a web server.
type webServer struct {
	*httptest.Server
	dir string // of the repository

	mu       sync.Mutex
	requests []*http.Request
	// before may answer a request itself; then it returns true.
	before func(w http.ResponseWriter, r *http.Request) bool
}

// serve makes a repository and a web server for it.
func serve(t *testing.T, commits int, before func(w http.ResponseWriter, r *http.Request) bool) *webServer {
	t.Helper()
	s := newServer(t, commits, before)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// newServer is serve without the start.
func newServer(t *testing.T, commits int, before func(w http.ResponseWriter, r *http.Request) bool) *webServer {
	t.Helper()
	s := &webServer{dir: newRepository(t, commits), before: before}
	git(t, s.dir, "config", "http.receivepack", "true")
	program := filepath.Join(git(t, "", "--exec-path"), "git-http-backend")
	backend := &cgi.Handler{Path: program, Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(s.dir), "GIT_HTTP_EXPORT_ALL=1", "HOME=" + os.Getenv("HOME")},
		InheritEnv: []string{"PATH"}, Stderr: io.Discard}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		if s.before == nil || !s.before(w, r) {
			backend.ServeHTTP(w, dechunked(t, r))
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

// dechunked gives a body that came in chunks its length: package cgi takes no other.
func dechunked(t *testing.T, r *http.Request) *http.Request {
	if r.ContentLength >= 0 {
		return r
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Logf("a request was cut off: %v", err)
	}
	r = r.Clone(r.Context())
	r.TransferEncoding, r.ContentLength, r.Body = nil, int64(len(b)), io.NopCloser(bytes.NewReader(b))
	return r
}

// repository is the URL of the repository.
func (s *webServer) repository() string { return s.URL + "/" + url.PathEscape(filepath.Base(s.dir)) }

// authorizations are those of all requests so far.
func (s *webServer) authorizations() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		all = append(all, r.Header.Get("Authorization"))
	}
	return all
}

// trust lets git, and us, trust the servers of the tests.
func trust(t *testing.T, home string, s *webServer) {
	t.Helper()
	file := filepath.Join(home, "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, "", "config", "--global", "http."+s.URL+".sslCAInfo", file)
	git(t, "", "config", "--global", "http.https://localhost/.sslCAInfo", "/nowhere") // is for another port
}

// password wants one user with one password.
func password(user, pass string) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		u, p, _ := r.BasicAuth()
		if u == user && p == pass {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="history"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return true
	}
}

func TestHTTPS(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	clean(t)
	trust(t, home, s)
	roundTrip(t, s.dir, s.repository(), remote.Options{})
	for _, a := range s.authorizations() {
		if a != "" {
			t.Errorf("sent unasked: %q", a)
		}
	}
}

func TestHTTP2(t *testing.T) {
	home := isolate(t)
	s := newServer(t, 1, nil)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	clean(t)
	trust(t, home, s)
	roundTrip(t, s.dir, s.repository(), remote.Options{})
	ours := fetch(t, open(t, s.repository(), remote.Options{}))
	new := newCommit(t, ours, random(t, 5<<20))
	if err := push(t, open(t, s.repository(), remote.Options{}), ours, new); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.requests {
		if r.ProtoMajor != 2 {
			t.Errorf("%s of %s is of %s", r.Method, r.RequestURI, r.Proto)
		}
	}
}

func TestHTTP(t *testing.T) {
	isolate(t)
	s := serve(t, 1, nil)
	plain := newPlainServer(t, s)
	clean(t)
	roundTrip(t, s.dir, strings.Replace(s.repository(), s.URL, plain, 1), remote.Options{})
}

func TestHTTPEmpty(t *testing.T) {
	home := isolate(t)
	s := serve(t, 0, nil)
	trust(t, home, s)
	r := open(t, s.repository(), remote.Options{})
	session, err := r.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session.Close()
	if len(session.Refs()) != 0 {
		t.Errorf("refs %v", session.Refs())
	}
	ours := newRepository(t, 2)
	if err := push(t, r, ours, tip(t, ours)); err != nil {
		t.Fatal(err)
	}
	if tip(t, s.dir) != tip(t, ours) {
		t.Error("main was not made")
	}
}

// random is text that does not compress.
func random(t testing.TB, size int) string {
	t.Helper()
	b := make([]byte, size)
	f, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A large push is sent in chunks, behind a probe that settles who we are.
func TestHTTPLargePush(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	trust(t, home, s)
	ours := fetch(t, open(t, s.repository(), remote.Options{}))
	new := newCommit(t, ours, random(t, 5<<20))
	asked := password("tester", "secret")
	s.before = func(w http.ResponseWriter, r *http.Request) bool { return r.Method == "POST" && asked(w, r) }
	clean(t)
	t.Setenv("QME_TOKEN", "secret")
	r := open(t, strings.Replace(s.repository(), "https://", "https://tester@", 1), remote.Options{})
	if err := push(t, r, ours, new); err != nil {
		t.Fatal(err)
	}
	if tip(t, s.dir) != new {
		t.Error("the branch was not moved")
	}
	last := s.requests[len(s.requests)-1]
	if len(last.TransferEncoding) == 0 && last.ProtoMajor == 1 {
		t.Errorf("the pack was sent with a length: %d", last.ContentLength)
	}
	if got := len(s.requests); s.requests[got-2].ContentLength != 4 {
		t.Error("no probe was sent")
	}
}

// A web server that does not take as much says so before it has read it.
func TestHTTPTooLarge(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, func(w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength >= 0 {
			return false
		}
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return true
	})
	trust(t, home, s)
	ours := fetch(t, open(t, s.repository(), remote.Options{}))
	clean(t)
	err := push(t, open(t, s.repository(), remote.Options{}), ours, newCommit(t, ours, random(t, 20<<20)))
	wants(t, err, remote.ErrDeclined, "413", "raise the limit")
}

// A source that breaks in the middle of a large push.
func TestHTTPBrokenSource(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	trust(t, home, s)
	clean(t)
	session, err := open(t, s.repository(), remote.Options{}).Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	errDisk := errors.New("a bad sector")
	for _, size := range []int{10, 3 << 20} {
		session, err := open(t, s.repository(), remote.Options{}).Push(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = session.Update(t.Context(), main, session.Refs()[main], plumbing.NewHash(strings.Repeat("12", 20)), func(w io.Writer) error {
			if _, err := io.CopyN(w, zeros{}, int64(size)); err != nil {
				return err
			}
			return errDisk
		})
		wants(t, err, errDisk)
		session.Close()
	}
}

func TestHTTPPushMoved(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	trust(t, home, s)
	clean(t)
	r := open(t, s.repository(), remote.Options{})
	ours := fetch(t, r)
	new := newCommit(t, ours, "ours\n")
	session, err := r.Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	old := session.Refs()[main]
	commit(t, s.dir, "theirs\n")
	wants(t, session.Update(t.Context(), main, old, new, packer(t, ours, new, old)), remote.ErrMoved)
}

func TestHTTPErrors(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrHostKey, "unknown authority", "sslCAInfo")
	trust(t, home, s)
	clean(t)
	status := func(code int, kind, text string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
			return true
		}
	}
	advert := "application/x-git-upload-pack-advertisement"
	tests := []struct {
		name   string
		before func(w http.ResponseWriter, r *http.Request) bool
		want   error
		says   []string
	}{
		{"404", status(404, "text/plain", "Repository \x1b[2Jnot found."), remote.ErrNotFound, []string{"404", `Repository \x1b[2Jnot found.`}},
		{"403", status(403, "text/plain", "not yours"), remote.ErrAccess, []string{"403", "not yours"}},
		{"500", status(500, "text/html", "<html>"), remote.ErrServer, []string{"500"}},
		{"400", status(400, "text/html", "<html>"), remote.ErrProtocol, []string{"400"}},
		{"web page", status(200, "text/html; charset=utf-8", "<html>"), remote.ErrProtocol, []string{"web page"}},
		{"no git", status(200, "text/plain", "1234"), remote.ErrProtocol, []string{"knows nothing of git"}},
		{"other service", status(200, "application/x-git-receive-pack-advertisement", "0000"), remote.ErrProtocol, nil},
		{"nothing", status(200, advert, ""), remote.ErrProtocol, []string{"ended too early"}},
		{"garbage", status(200, advert, "hello, world"), remote.ErrProtocol, []string{`it says "hello, world"`}},
		{"ERR", status(200, advert, "0016ERR access denied\n"), remote.ErrAccess, []string{"access denied"}},
		{"redirect to a page", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "/login", http.StatusFound)
			return true
		}, remote.ErrProtocol, []string{"/login", "log in"}},
		{"redirect without an end", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.RequestURI, http.StatusFound)
			return true
		}, remote.ErrProtocol, []string{"without an end"}},
		{"redirect to plain http", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://127.0.0.1"+r.RequestURI, http.StatusFound)
			return true
		}, remote.ErrAccess, []string{"nothing is encrypted"}},
		{"redirect to another scheme", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "file:///etc/info/refs?service=git-upload-pack", http.StatusFound)
			return true
		}, remote.ErrProtocol, []string{"file:///etc"}},
		{"redirect with a password", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://me:secret@127.0.0.1/x/info/refs?service=git-upload-pack", http.StatusFound)
			return true
		}, remote.ErrProtocol, []string{"https://me:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.before = tt.before
			err := fetchError(t, open(t, s.repository(), remote.Options{}))
			wants(t, err, tt.want, append(tt.says, s.repository())...)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
	wants(t, fetchError(t, open(t, "https://127.0.0.1:"+freePort(t)+"/x", remote.Options{})), remote.ErrOffline, "refused")
	wants(t, fetchError(t, open(t, "https://no-such-host.invalid/x", remote.Options{})), remote.ErrOffline, "no-such-host.invalid")
	wants(t, fetchError(t, open(t, strings.Replace(s.repository(), "https", "http", 1), remote.Options{})), remote.ErrProtocol)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	wants(t, fetchError(t, open(t, strings.Replace(plain.URL, "http", "https", 1)+"/x", remote.Options{})), remote.ErrProtocol, "http and not https")
}

// What answers the second request may be anything, too.
func TestHTTPBadResults(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	trust(t, home, s)
	clean(t)
	pack := func(write func(w http.ResponseWriter)) error {
		s.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "POST" {
				return false
			}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			write(w)
			return true
		}
		session, err := open(t, s.repository(), remote.Options{}).Fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		pack, err := session.Pack(t.Context(), tip(t, s.dir), nil)
		if err != nil {
			return err
		}
		defer pack.Close()
		_, err = io.Copy(io.Discard, pack)
		return err
	}
	say := func(text string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) }
	}
	endless := func(text string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for err := error(nil); err == nil; {
				_, err = io.WriteString(w, text)
			}
		}
	}
	wants(t, pack(say("")), remote.ErrProtocol, "ended too early")
	wants(t, pack(say("0008NAK\n")), remote.ErrProtocol, "ended too early")
	wants(t, pack(say("0008NAK\n0009\x01PACK")), remote.ErrProtocol, "ended too early")
	wants(t, pack(say("0008NAK\n0009\x01PA")), remote.ErrProtocol, "ended too early")
	wants(t, pack(say("0008NAK\n0009\x01PACK0100")), remote.ErrProtocol, "ended too early")
	wants(t, pack(say("0008NAK\n0009\x04PACK")), remote.ErrProtocol)
	wants(t, pack(say("0008NAK\n0009\x01PACK0009\x05PACK")), remote.ErrProtocol, "channel 5")
	wants(t, pack(say("0008NAK\n0012\x03disk is full\n")), remote.ErrServer, "disk is full")
	wants(t, pack(say("0008NAK\n0009\x01PACK0012\x03disk is full\n")), remote.ErrServer, "disk is full")
	wants(t, pack(say("0017ERR upload-pack: no\n")), remote.ErrServer, "upload-pack: no")
	wants(t, pack(endless("0008NAK\n")), remote.ErrProtocol)
	wants(t, pack(func(w http.ResponseWriter) { w.WriteHeader(500) }), remote.ErrServer, "500")
	wants(t, pack(func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html") }), remote.ErrProtocol, "web page")
	wants(t, pack(func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(307) }), remote.ErrProtocol, "307")
	if err := pack(say("0008NAK\n0009\x01PACK0000")); err != nil {
		t.Error(err)
	}
}

func TestHTTPEndlessRefs(t *testing.T) {
	home := isolate(t)
	s := serve(t, 0, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		for i := 0; ; i++ {
			line := fmt.Sprintf("%040x refs/heads/%d\n", 1, i)
			if _, err := fmt.Fprintf(w, "%04x%s", len(line)+4, line); err != nil {
				return true
			}
		}
	})
	trust(t, home, s)
	clean(t)
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrProtocol, "does not end")
}

func TestHTTPSettings(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, nil)
	clean(t)
	works := func(url string, opts remote.Options) {
		t.Helper()
		session, err := open(t, url, opts).Fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		session.Close()
	}
	var said safeBuffer
	t.Setenv("GIT_SSL_NO_VERIFY", "1")
	works(s.repository(), remote.Options{Messages: &said})
	if !strings.Contains(said.String(), "the certificate is not checked") {
		t.Errorf("messages: %q", said.String())
	}
	os.Unsetenv("GIT_SSL_NO_VERIFY")

	own := newRepository(t, 0)
	git(t, own, "config", "http.sslVerify", "false")
	works(s.repository(), remote.Options{GitDir: own})
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrHostKey)

	trust(t, home, s)
	t.Setenv("GIT_SSL_CAINFO", filepath.Join(home, "none.pem"))
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrHostKey, "none.pem", "GIT_SSL_CAINFO")
	os.Unsetenv("GIT_SSL_CAINFO")

	// The proxy is asked, and gets in the way.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	t.Cleanup(proxy.Close)
	git(t, own, "config", "http.proxy", proxy.URL)
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{GitDir: own})), remote.ErrOffline, "Forbidden")

	// Without the program git the settings are read all the same.
	path := os.Getenv("PATH")
	t.Setenv("PATH", home)
	works(s.repository(), remote.Options{})
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{GitDir: own})), remote.ErrOffline, "Forbidden")
	t.Setenv("PATH", path)

	git(t, "", "config", "--global", "http.followRedirects", "false")
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "/x"+r.RequestURI, http.StatusFound)
		return true
	}
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrProtocol, "http.followRedirects")
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[http\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrURL, "bad config", ".gitconfig")
}

// The end of the context ends a request, wherever the server hangs.
func TestHTTPCancel(t *testing.T) {
	home := isolate(t)
	reached := make(chan bool)
	hang := ""
	s := serve(t, 1, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != hang {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == "POST" {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			_, _ = io.WriteString(w, "0008NAK\n0009\x01PACK")
			w.(http.Flusher).Flush()
		}
		reached <- true
		<-r.Context().Done()
		return true
	})
	trust(t, home, s)
	clean(t)
	ctx, cancel := context.WithCancel(t.Context())
	hang = "GET"
	go func() { <-reached; cancel() }()
	_, err := open(t, s.repository(), remote.Options{}).Fetch(ctx)
	wants(t, err, context.Canceled)

	hang = "POST"
	session, err := open(t, s.repository(), remote.Options{}).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	pack, err := session.Pack(ctx, tip(t, s.dir), nil)
	if err == nil {
		defer pack.Close()
		_, err = io.Copy(io.Discard, pack)
	}
	wants(t, err, context.Canceled)
}

// A server that takes the connection and says nothing.
func TestHTTPSilent(t *testing.T) {
	home := isolate(t)
	s := serve(t, 1, func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
	trust(t, home, s)
	clean(t)
	remote.SetGreetingTimeout(t, 50)
	wants(t, fetchError(t, open(t, s.repository(), remote.Options{})), remote.ErrOffline, "does not answer")
}

// newPlainServer serves the same over plain http, also as a proxy, and returns its
// URL.
func newPlainServer(t *testing.T, s *webServer) string {
	t.Helper()
	plain := httptest.NewServer(s.Config.Handler)
	t.Cleanup(plain.Close)
	return plain.URL
}
