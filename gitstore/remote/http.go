package remote

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The time that a web server may take. A service that has been sent a pack checks it
// before it answers.
var (
	greetingTimeout = 60 * time.Second
	answerTimeout   = 15 * time.Minute
)

const (
	// bufferLimit is up to how many bytes a request is held in memory, unless
	// http.postBuffer is more. It is then sent with its length, and can be sent again.
	bufferLimit = 1 << 20
	// redirectLimit is how often the first request may be sent elsewhere.
	redirectLimit = 10
	// quoteLimit bounds the quoted part of a web server's answer, in bytes.
	quoteLimit = 2 << 10
)

// An httpLink talks to a service of a web server.
type httpLink struct {
	remote    *Remote
	service   string
	ctx       context.Context // ends with the link
	cancel    context.CancelCauseFunc
	transport *http.Transport
	dialer    *dialer
	client    *http.Client
	auth      *authority
	extra     http.Header // for the host of the URL alone
	buffer    int64       // up to how many bytes of a request are sent with its length
	follow    bool

	base  *url.URL // of the repository, after redirects
	first *bufio.Reader
	body  io.ReadCloser
	sent  func() error
}

// dialHTTP requests the advertisement of a repository.
func (r *Remote) dialHTTP(ctx context.Context, service string) (link, error) {
	base := r.loc.base()
	set, err := r.settings(ctx)
	if err != nil {
		return nil, err
	}
	get := func(name, fallback string) string { return set.http(name, base, r.loc.user, fallback) }
	d := &dialer{}
	transport, err := r.transport(get, d)
	if err != nil {
		return nil, err
	}
	l := &httpLink{remote: r, service: service, transport: transport, dialer: d, base: base, auth: newAuthority(r), buffer: postBuffer(get("postbuffer", ""))}
	if l.extra, err = r.extraHeaders(set, base); err != nil {
		return nil, err
	}
	l.follow = truth(cmp.Or(get("followredirects", ""), "initial"))
	l.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, l.abort)
	defer stop()
	if err := l.discover(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// transport makes a transport by git's settings.
func (r *Remote) transport(get func(name, fallback string) string, d *dialer) (*http.Transport, error) {
	conf := &tls.Config{}
	if file := cmp.Or(os.Getenv("GIT_SSL_CAINFO"), expandHome(get("sslcainfo", ""))); file != "" {
		pem, err := os.ReadFile(file)
		conf.RootCAs = x509.NewCertPool()
		if err != nil || !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, r.fail(ErrHostKey, "no certificate can be read from the file "+file,
				"Correct http.sslCAInfo of git's configuration, or GIT_SSL_CAINFO.").because(err)
		}
	}
	if os.Getenv("GIT_SSL_NO_VERIFY") != "" || !truth(get("sslverify", "true")) {
		conf.InsecureSkipVerify = true // as the user has told git
		r.out.own("warning: " + r.String() + ": the certificate is not checked (http.sslVerify, GIT_SSL_NO_VERIFY)")
	}
	proxy := http.ProxyFromEnvironment
	if p := get("proxy", ""); p != "" {
		u, err := url.Parse(p)
		if err != nil || u.Host == "" {
			return nil, r.fail(ErrURL, "http.proxy of git's configuration is not a URL", "Correct it.")
		}
		proxy = http.ProxyURL(u)
	}
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           d.dial,
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ForceAttemptHTTP2:     true,
	}, nil
}

// A dialer remembers its connections. net/http closes one that serves several
// requests only if none is going on, and a request that was given up may still be
// taken for one.
type dialer struct {
	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	d.conns = append(d.conns, c)
	return c, nil
}

func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, c := range d.conns {
		_ = c.Close()
	}
	d.conns = nil
}

func (l *httpLink) greeting() *bufio.Reader { return l.first }

func (l *httpLink) ready() {}

// discover gets the advertisement and learns where the repository is.
func (l *httpLink) discover(ctx context.Context) error {
	errSlow := errors.New("the web server does not answer")
	timer := time.AfterFunc(greetingTimeout, func() { l.cancel(errSlow) })
	resp, err := l.info(ctx, timer)
	if !timer.Stop() && context.Cause(l.ctx) == errSlow { //nolint:errorlint // it is this very one
		if err == nil {
			_ = resp.Body.Close()
		}
		return l.remote.fail(ErrOffline, errSlow.Error(), "")
	}
	if err != nil {
		return err
	}
	l.body = resp.Body
	if err := l.isType(resp, "advertisement"); err != nil {
		return err
	}
	l.first = bufio.NewReader(resp.Body)
	return l.announced()
}

// announced skips the line "# service=...", and the flush packet after it, with
// which web servers begin.
func (l *httpLink) announced() error {
	line := "# service=" + l.service
	for _, form := range []string{line + "\n", line} {
		want := fmt.Sprintf("%04x%s0000", len(form)+4, form)
		if start, _ := l.first.Peek(len(want)); string(start) == want {
			_, err := l.first.Discard(len(want))
			return err
		}
	}
	return nil
}

// info requests the advertisement, where it takes redirects to.
func (l *httpLink) info(ctx context.Context, timer *time.Timer) (*http.Response, error) {
	tail := "/info/refs?service=" + l.service
	for range redirectLimit {
		resp, err := l.send(ctx, timer, func() (*http.Request, error) {
			req, err := http.NewRequestWithContext(l.ctx, http.MethodGet, l.base.String()+tail, nil)
			if err == nil {
				req.Header.Set("Pragma", "no-cache")
			}
			return req, err
		})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < 300 || resp.StatusCode > 399 {
			return l.checked(resp)
		}
		where := resp.Header.Get("Location")
		drain(resp.Body)
		if err := l.redirect(where, tail); err != nil {
			return nil, err
		}
	}
	return nil, l.remote.fail(ErrProtocol, "it redirects without an end", "")
}

// redirect makes the target of a redirect the base.
func (l *httpLink) redirect(where, tail string) error {
	if !l.follow {
		return l.remote.fail(ErrProtocol, "it redirects, and http.followRedirects of git's configuration forbids to follow", "Use the URL that it redirects to.")
	}
	requested, err := url.Parse(l.base.String() + tail)
	if err != nil {
		return err
	}
	to, err := requested.Parse(where)
	if err != nil || where == "" {
		return l.remote.fail(ErrProtocol, "it redirects to what is no URL", "")
	}
	shown := Shown(to.String())
	switch {
	case to.Scheme != "https" && to.Scheme != "http":
		return l.remote.fail(ErrProtocol, "it redirects to "+shown, "")
	case l.base.Scheme == "https" && to.Scheme == "http":
		return l.remote.fail(ErrAccess, "it redirects to "+shown+", where nothing is encrypted", "Use that URL yourself if it is right.")
	}
	repository, ok := strings.CutSuffix(to.String(), tail)
	if !ok {
		return l.remote.fail(ErrProtocol, "it redirects to "+shown+", which is not a repository", "Check the URL; perhaps it wants you to log in.")
	}
	loc, err := parse(repository)
	if err != nil {
		return l.remote.fail(ErrProtocol, "it redirects to "+shown, "").because(err)
	}
	l.base = loc.base()
	return nil
}

// ask posts the request.
func (l *httpLink) ask(write func(io.Writer) error) *answer {
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(pw, 64<<10)
		err := write(w)
		if err == nil {
			err = w.Flush()
		}
		_ = pw.CloseWithError(err) // never fails
		done <- err
	}()
	l.sent = sync.OnceValue(func() error {
		_ = pr.CloseWithError(io.ErrClosedPipe) // never fails; there is no reader any more
		return <-done
	})
	return &answer{Reader: &lateReader{open: func() (io.Reader, error) { return l.post(pr) }}, sent: l.sent}
}

// A lateReader is opened by the first read.
type lateReader struct {
	open func() (io.Reader, error)
	r    io.Reader
	err  error
}

// Read implements io.Reader.
func (r *lateReader) Read(p []byte) (int, error) {
	if r.r == nil && r.err == nil {
		r.r, r.err = r.open()
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.r.Read(p)
}

// post sends the request in body. A long one is sent as it comes, after a short one has
// shown that the credential is accepted.
func (l *httpLink) post(body io.Reader) (io.Reader, error) {
	drain(l.body) // of the advertisement, which has been read
	var first bytes.Buffer
	switch _, err := io.CopyN(&first, body, l.buffer); {
	case errors.Is(err, io.EOF):
		return l.result(func() io.Reader { return bytes.NewReader(first.Bytes()) })
	case err != nil:
		return nil, err
	}
	start := first.Bytes()
	probe, err := l.result(func() io.Reader { return strings.NewReader("0000") })
	if err != nil {
		return nil, err
	}
	drain(probe)
	used := false
	return l.result(func() io.Reader {
		if used {
			return nil
		}
		used = true
		return io.NopCloser(io.MultiReader(bytes.NewReader(start), body))
	})
}

// postBuffer reads http.postBuffer, a number that may end with k, m or g.
func postBuffer(text string) int64 {
	text = strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(text, "kmg")
	n, err := strconv.ParseInt(digits, 10, 32)
	shift := map[string]int{"k": 10, "m": 20, "g": 30}[text[len(digits):]]
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return bufferLimit
	}
	return max(bufferLimit, n<<shift)
}

// result posts a body and returns the answer. body is called again when the server asks
// for a credential, and returns nil when it cannot be sent twice.
func (l *httpLink) result(body func() io.Reader) (io.ReadCloser, error) {
	resp, err := l.send(l.ctx, nil, func() (*http.Request, error) {
		b := body()
		if b == nil {
			return nil, l.remote.fail(ErrAccess, "it wants to know anew who we are, in the middle", "Try again.")
		}
		req, err := http.NewRequestWithContext(l.ctx, http.MethodPost, l.base.String()+"/"+l.service, b)
		if err == nil {
			req.Header.Set("Content-Type", "application/x-"+l.service+"-request")
			req.Header.Set("Accept", "application/x-"+l.service+"-result")
		}
		return req, err
	})
	if err != nil {
		return nil, err
	}
	l.body = resp.Body
	if resp, err = l.checked(resp); err != nil {
		return nil, err
	}
	return resp.Body, l.isType(resp, "result")
}

// send makes a request, and again with another credential for as long as one is
// asked for and there is one.
func (l *httpLink) send(ctx context.Context, timer *time.Timer, build func() (*http.Request, error)) (*http.Response, error) {
	for {
		req, err := build()
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", "git/qme")
		if origin(req.URL) == l.auth.named {
			for name, values := range l.extra {
				req.Header[name] = values
			}
		}
		l.auth.sign(req)
		resp, err := l.client.Do(req)
		if err != nil {
			return nil, l.netError(err)
		}
		if resp.StatusCode != http.StatusUnauthorized {
			return resp, l.auth.accepted(ctx, resp)
		}
		drain(resp.Body)
		if timer != nil {
			timer.Stop() // the user may take longer
		}
		if err := l.auth.next(ctx, resp); err != nil {
			return nil, err
		}
		if timer != nil {
			timer.Reset(greetingTimeout)
		}
	}
}

// checked makes an error of an answer that is none, and closes that.
func (l *httpLink) checked(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	said := "HTTP status " + resp.Status
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/plain" {
		quoted, _ := io.ReadAll(io.LimitReader(resp.Body, quoteLimit)) // as much as there is
		said += "\n" + string(quoted)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusForbidden, code == http.StatusProxyAuthRequired, code == http.StatusUnauthorized:
		return nil, l.remote.fail(ErrAccess, said, "")
	case code == http.StatusNotFound, code == http.StatusGone:
		return nil, l.remote.fail(ErrNotFound, said, "")
	case code == http.StatusLengthRequired:
		return nil, l.remote.fail(ErrProtocol, said, "The web server there takes only requests whose length is known. \"git config --global http.postBuffer 512M\" has them sent so up to that size.")
	case code == http.StatusRequestEntityTooLarge:
		return nil, l.remote.fail(ErrDeclined, said, "What is sent is more than the web server there takes; its owner can raise the limit.")
	case code >= 500 || code == http.StatusTooManyRequests:
		return nil, l.remote.fail(ErrServer, said, "")
	}
	return nil, l.remote.fail(ErrProtocol, said, "")
}

// isType checks that an answer is one of the service.
func (l *httpLink) isType(resp *http.Response, what string) error {
	want := "application/x-" + l.service + "-" + what
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == want {
		return nil
	}
	said := fmt.Sprintf("it answers with %q and not %q", kind, want)
	if strings.HasPrefix(kind, "text/html") {
		said = "it answers with a web page"
	}
	if what == "advertisement" && kind == "text/plain" {
		said = "it answers as a web server does that knows nothing of git"
	}
	return l.remote.fail(ErrProtocol, said, "")
}

// drain closes a body that is of no interest. When little of it is left the
// connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.Copy(io.Discard, io.LimitReader(body, quoteLimit)) // an error closes the connection
	_ = body.Close()
}

// netError explains a missing answer. The error of net/http would repeat the URL.
func (l *httpLink) netError(err error) error {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &cert):
		return l.remote.fail(ErrHostKey, err.Error(),
			"If it is right, name the file with the certificate of its authority: git config --global http.URL.sslCAInfo FILE").because(err)
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return l.remote.fail(ErrProtocol, err.Error(), "Is it http and not https?").because(err)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return l.remote.fail(ErrProtocol, "what answers is not a web server", "").because(err)
	}
	return l.remote.fail(ErrOffline, err.Error(), "").because(err)
}

// explain implements link: the connection is net/http's to watch.
func (l *httpLink) explain(err error) error {
	var known *failure
	var op net.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &op):
		return l.remote.fail(ErrOffline, err.Error(), "").because(err)
	}
	return nil
}

func (l *httpLink) abort() { l.cancel(context.Canceled) }

func (l *httpLink) close() {
	l.abort()
	if l.body != nil {
		_ = l.body.Close()
	}
	if l.sent != nil {
		_ = l.sent()
	}
	l.transport.CloseIdleConnections()
	l.dialer.close()
}
