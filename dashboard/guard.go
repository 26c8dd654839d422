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

// policy is the page's content security policy: nothing but the server's own files, and
// no script or style within the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// picturePolicy is for what is looked at by itself and needs styles of its own.
const picturePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"

// guard lets requests through that have the key, are addressed to this server and do
// not come from another site.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.headers(w.Header())
		if !s.knownHost(r.Host) {
			s.turnAway(w, r, problem(http.StatusForbidden, "forbidden",
				"this server does not answer to that name (the Host header); use the address that \"qme start\" printed, or start it with --host NAME"))
			return
		}
		if token := r.URL.Query().Get("token"); r.URL.Query().Has("token") && !strings.HasPrefix(r.URL.Path, "/api/") {
			s.enter(w, r, token)
			return
		}
		if p := s.authorise(r); p != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="qme"`)
			s.turnAway(w, r, p)
			return
		}
		if origin.Check(r) != nil || foreign(r) {
			s.fail(w, r, problem(http.StatusForbidden, "forbidden", "this request comes from another site"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// turnAway answers who has not the key, and ends the connection: of these there are so many for all.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, p *Problem) {
	w.Header().Set("Connection", "close")
	s.fail(w, r, p)
}

func (s *Server) headers(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// foreign reports whether a websocket is asked for by another site. Other requests that
// only read get no cookie from elsewhere, and their answers cannot be read there.
func foreign(r *http.Request) bool {
	if !websocket.IsWebSocketUpgrade(r) {
		return false
	}
	from := r.Header.Get("Origin")
	if from == "" {
		return r.Header.Get("Sec-Fetch-Site") != "" // a browser, which should have said
	}
	u, err := url.Parse(from)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

// loopbackNames are the names by which a browser on the same machine, or at the other end of
// ssh -L, calls the server.
var loopbackNames = []string{"localhost", "127.0.0.1", "::1"}

// knownHost reports whether a Host header names this server, so that a name that
// somebody else points at it (DNS rebinding) does not.
func (s *Server) knownHost(host string) bool {
	// The header is what stands in an address, no more and no less (RFC 9110, section 7.2).
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host || strings.HasPrefix(host, "[") != strings.Contains(u.Hostname(), ":") {
		return false
	}
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	return slices.Contains(loopbackNames, name) || slices.ContainsFunc(s.o.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// cookieName is that of the cookie, which browsers send to all ports of a host.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return "qme_key"
	}
	return "qme_key_" + port
}

// cookieValue is what the cookie holds: it opens this server, and is not the key. It opens no other
// start of it: when this one has ended, browsers send it to whoever listens on the port next.
func (s *Server) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(s.o.Key))
	mac.Write([]byte("qme dashboard cookie " + s.start))
	return hex.EncodeToString(mac.Sum(nil))
}

// enter takes the key from a URL, gives the browser a cookie for it, and has it forget
// the URL.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, token string) {
	if p := s.judge(r, equal(token, s.o.Key)); p != nil {
		s.turnAway(w, r, p)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: s.cookieValue(), Path: "/", HttpOnly: true, Secure: s.o.Secure, SameSite: http.SameSiteStrictMode, MaxAge: 400 * 24 * 3600,
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
	// Another page has the link, and the browser would keep the cookie from where a
	// redirect leads. It does not from where this page leads.
	w.Header().Set("Refresh", "0; url="+to.String())
	w.WriteHeader(http.StatusOK)
}

// authorise returns why a request has not the key, nil if it has.
func (s *Server) authorise(r *http.Request) *Problem {
	for _, c := range r.CookiesNamed(cookieName(r)) { // another server of this host may have set one, too
		if equal(c.Value, s.cookieValue()) {
			return nil
		}
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return unauthorised() // nothing was tried
	}
	return s.judge(r, equal(given, s.o.Key))
}

func unauthorised() *Problem {
	return problem(http.StatusUnauthorized, "unauthorised",
		"the key is needed: open the address that \"qme start\" printed, or send \"Authorization: Bearer KEY\"")
}

// equal compares in a time that tells nothing of where two texts differ, nor of how long
// the key is.
func equal(given, key string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// judge counts a wrong key. The right one is never refused: on a machine with many users
// any of them could otherwise lock the owner out, and MinKey makes guessing hopeless.
func (s *Server) judge(r *http.Request, right bool) *Problem {
	if right {
		return nil
	}
	if wait := s.failures.add(remoteAddr(r), time.Now()); wait > 0 {
		p := problem(http.StatusTooManyRequests, "too-many", "too many wrong keys from this address")
		p.retry = int(math.Ceil(wait.Seconds()))
		return p
	}
	return unauthorised()
}

// remoteAddr is whom failures are counted for: of IPv6, where everybody has many
// addresses, a network.
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

// failures counts wrong keys for each address. Its methods may be called from several
// goroutines.
type failures struct {
	mu   sync.Mutex
	from map[string]failed
}

type failed struct {
	n     int
	since time.Time
}

// add counts one more, and returns how long the address has to wait.
func (f *failures) add(addr string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from == nil {
		f.from = map[string]failed{}
	}
	e, ok := f.from[addr]
	if !ok && len(f.from) >= failuresKept {
		f.forget(now)
	}
	if now.Sub(e.since) > failuresPer {
		e = failed{since: now}
	}
	e.n++
	f.from[addr] = e
	if e.n <= failuresAllowed {
		return 0
	}
	return max(time.Second, failuresPer-now.Sub(e.since))
}

// forget makes room: of those whose time is over, or of any one.
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
