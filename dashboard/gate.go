package dashboard

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// policy is the content security policy of the page: only files of the server, and no
// inline scripts or styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// picturePolicy is the policy of pictures and downloads, which may have inline styles.
const picturePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"

// A gate admits requests that have the key, are addressed to this server and do not come
// from another site. It is safe for concurrent use.
type gate struct {
	key      string
	session  string   // a random value for each start
	hosts    []string // the names of the server other than those of the loopback
	secure   bool     // TLS
	log      logFunc
	failures failures
}

func newGate(o *Options) *gate {
	return &gate{key: o.Key, session: NewKey(), hosts: o.Hosts, secure: o.Secure, log: o.Log}
}

// guard returns a handler that passes admitted requests to next.
func (g *gate) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header())
		if !g.knownHost(r.Host) {
			g.reject(w, r, newProblem(http.StatusForbidden, "forbidden",
				"this server does not answer to that name (the Host header); use the address that \"qme start\" printed, or start it with --host NAME"))
			return
		}
		if token := r.URL.Query().Get("token"); r.URL.Query().Has("token") && !strings.HasPrefix(r.URL.Path, "/api/") {
			g.login(w, r, token)
			return
		}
		if p := g.authorise(r); p != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="qme"`)
			g.reject(w, r, p)
			return
		}
		if origin.Check(r) != nil || crossSiteSocket(r) {
			fail(g.log, w, r, newProblem(http.StatusForbidden, "forbidden", "this request comes from another site"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// reject responds to a client without the key and closes the connection, since the number of
// connections is limited.
func (g *gate) reject(w http.ResponseWriter, r *http.Request, p *problem) {
	w.Header().Set("Connection", "close")
	fail(g.log, w, r, p)
}

func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// crossSiteSocket reports whether another site opens a websocket. Other read-only
// requests of such a site carry no cookie, and it cannot read the responses.
func crossSiteSocket(r *http.Request) bool {
	if !websocket.IsWebSocketUpgrade(r) {
		return false
	}
	from := r.Header.Get("Origin")
	if from == "" {
		return r.Header.Get("Sec-Fetch-Site") != "" // a browser, which should send Origin
	}
	u, err := url.Parse(from)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

// loopbackNames are the server's names for a browser on the same machine or at the other end of
// ssh -L.
var loopbackNames = []string{"localhost", "127.0.0.1", "::1"}

// knownHost reports whether a Host header names this server. It refuses names that an attacker points
// at the server's address (DNS rebinding).
func (g *gate) knownHost(host string) bool {
	// The header has the form of the authority in a URL (RFC 9110, section 7.2).
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host || strings.HasPrefix(host, "[") != strings.Contains(u.Hostname(), ":") {
		return false
	}
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	return slices.Contains(loopbackNames, name) || slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// cookieName contains the port, since browsers send a cookie to all ports of a host.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return "qme_key"
	}
	return "qme_key_" + port
}

// cookieValue returns the value of the cookie that replaces the key. It is valid only
// until the server ends: browsers then send the cookie to the next server on the port,
// which may belong to another user.
func (g *gate) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(g.key))
	mac.Write([]byte("qme dashboard cookie " + g.session))
	return hex.EncodeToString(mac.Sum(nil))
}

// login exchanges the key in a URL for a cookie, and redirects to the URL without it.
func (g *gate) login(w http.ResponseWriter, r *http.Request, token string) {
	if p := g.check(r, token); p != nil {
		g.reject(w, r, p)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: g.cookieValue(), Path: "/", HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteStrictMode, MaxAge: 400 * 24 * 3600,
	})
	to := url.URL{Path: path.Clean("/" + strings.TrimLeft(r.URL.Path, "/\\"))}
	q := r.URL.Query()
	q.Del("token")
	to.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	if from := r.Header.Get("Sec-Fetch-Site"); from == "" || from == "none" || from == "same-origin" {
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
		return
	}
	// The link is on a page of another site, and the browser would not send a SameSite cookie along
	// such a redirect. It does along a refresh by this page.
	w.Header().Set("Refresh", "0; url="+to.String())
	w.WriteHeader(http.StatusOK)
}

// authorise returns nil for a request with the key.
func (g *gate) authorise(r *http.Request) *problem {
	for _, c := range r.CookiesNamed(cookieName(r)) { // another server on this host may have set a cookie of the same name
		if equal(c.Value, g.cookieValue()) {
			return nil
		}
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return unauthorised() // no key was given
	}
	return g.check(r, given)
}

func unauthorised() *problem {
	return newProblem(http.StatusUnauthorized, "unauthorised",
		"the key is needed: open the address that \"qme start\" printed, or send \"Authorization: Bearer KEY\"")
}

// equal compares in a time that reveals neither the position of a difference nor the
// length of the key.
func equal(given, key string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// check returns nil for the right key, and counts a wrong one. The right key is never
// rejected: otherwise any user of a shared machine could lock out the owner. minKey makes
// guessing hopeless.
func (g *gate) check(r *http.Request, key string) *problem {
	if equal(key, g.key) {
		return nil
	}
	if wait := g.failures.add(remoteAddr(r), time.Now()); wait > 0 {
		p := newProblem(http.StatusTooManyRequests, "too-many", "too many wrong keys from this address")
		p.retry = int(math.Ceil(wait.Seconds()))
		return p
	}
	return unauthorised()
}

// remoteAddr returns the address to which wrong keys are attributed: the /64 network of
// an IPv6 address, since a client has many of these.
func remoteAddr(r *http.Request) string {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

const (
	failuresAllowed = 10
	failuresPer     = time.Minute
	failuresKept    = 4096 // addresses
)

// failures counts the wrong keys from each address. It is safe for concurrent use.
type failures struct {
	mu   sync.Mutex
	from map[string]attempts
}

type attempts struct {
	n     int
	since time.Time
}

// add counts a wrong key, and returns the time that the address has to wait.
func (f *failures) add(addr string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from == nil {
		f.from = map[string]attempts{}
	}
	e, ok := f.from[addr]
	if !ok && len(f.from) >= failuresKept {
		f.forget(now)
	}
	if now.Sub(e.since) > failuresPer {
		e = attempts{since: now}
	}
	e.n++
	f.from[addr] = e
	if e.n <= failuresAllowed {
		return 0
	}
	return max(time.Second, failuresPer-now.Sub(e.since))
}

// forget makes room for an address. It removes all expired entries, or else any.
func (f *failures) forget(now time.Time) {
	for addr, e := range f.from {
		if now.Sub(e.since) > failuresPer {
			delete(f.from, addr)
		}
	}
	for addr := range f.from {
		if len(f.from) < failuresKept {
			return
		}
		delete(f.from, addr)
	}
}
