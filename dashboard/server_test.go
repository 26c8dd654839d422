package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"qme/record"
	"qme/tasks/spool"
	"qme/tasks/waiting"
	"qme/tests/await"
)

// emptyHome has no tasks at all.
type emptyHome struct{ home }

func (emptyHome) Head() (string, error)                             { return "0", nil }
func (emptyHome) Latest() (string, iter.Seq[record.Result], error)  { return "0", noRecords, nil }
func (emptyHome) Stamps() (map[record.ID]string, error)             { return nil, nil }
func (emptyHome) Get(record.ID, int) (*record.Record, error)        { return nil, record.ErrNotFound }
func (emptyHome) Queue() *waiting.Watch                             { return nil }
func (emptyHome) Queued(record.ID) (*record.Record, error)          { return nil, record.ErrNotFound }
func (emptyHome) Recover(context.Context) error                     { return nil }
func (emptyHome) Refresh(context.Context) error                     { return nil }
func (emptyHome) Written(record.ID) (stdout, stderr int64, e error) { return 0, 0, nil }
func (emptyHome) Follow(record.ID, record.StreamName, int64, int64) (spool.Piece, error) {
	return spool.Piece{}, record.ErrNotFound
}
func (emptyHome) Differences(context.Context, string, string) ([]record.Result, error) {
	return nil, nil
}

func noRecords(func(record.Result) bool) {}

// both is what a test has in the place of a home and its spool.
type both interface {
	home
	runs
}

// serverOf makes a server of such a home.
func serverOf(h both, o Options) *Server {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	return newServer(o, h, h)
}

// serve starts a server of an empty home.
func serve(t *testing.T) (s *Server, url string) {
	t.Helper()
	s = serverOf(emptyHome{}, Options{Key: NewKey(), Log: t.Logf})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve returns %v", err)
		}
	})
	return s, "ws://" + l.Addr().String() + "/api/live"
}

func connect(t *testing.T, s *Server, url string) *websocket.Conn {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(url, http.Header{"Authorization": {"Bearer " + s.options.Key}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // of a websocket there is none
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestSlowClient has one client that never reads and one that does: the first is
// dropped, the second hears everything.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	s, url := serve(t)
	connect(t, s, url) // and reads nothing
	good := connect(t, s, url)
	await.That(t, "two clients, which are both told of what follows", func() bool { return s.hub.count() == 2 })
	const rounds = 2000
	text := strings.Repeat("x", 64<<10)
	heard := make(chan int)
	go func() {
		for n := 0; ; n++ {
			_, b, err := good.ReadMessage()
			if err != nil || strings.Contains(string(b), "last") {
				heard <- n
				return
			}
		}
	}()
	dropped := -1
	for i := range rounds {
		detail := fmt.Sprint(i, text)
		s.hub.broadcast(message{Type: "error", Detail: &detail})
		// The good one keeps up: it is not asked for more than it can take.
		for end := time.Now().Add(10 * time.Second); s.queuedFor(good) > queued/2 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if s.hub.count() == 1 {
			dropped = i
			break
		}
	}
	if dropped < 0 {
		t.Fatalf("the client that does not read is still there")
	}
	last := "last"
	s.hub.broadcast(message{Type: "error", Detail: &last})
	if n := <-heard; n < dropped {
		t.Errorf("the other one heard %d messages of %d", n, dropped+1)
	}
}

// queuedFor returns how many messages wait for the client at the other end.
func (s *Server) queuedFor(conn *websocket.Conn) int {
	for _, c := range s.hub.list() {
		if c.conn.RemoteAddr().String() == conn.LocalAddr().String() {
			return len(c.queue)
		}
	}
	return 0
}

// TestMalformed sends what is no message: the connection may end, the server goes on.
func TestMalformed(t *testing.T) {
	t.Parallel()
	s, url := serve(t)
	for _, c := range []struct {
		kind  int
		text  string
		close bool
	}{
		{websocket.TextMessage, "", true}, {websocket.TextMessage, "{", true}, {websocket.TextMessage, "[]", true}, {websocket.BinaryMessage, "{}", true},
		{websocket.TextMessage, `{"type": 1}`, false}, {websocket.TextMessage, `{"type": "watch", "offset": "1"}`, false}, {websocket.TextMessage, strings.Repeat(" ", maxMessage+1), true},
		{websocket.TextMessage, `{}`, false}, {websocket.TextMessage, `{"type": "watch"}`, false}, {websocket.TextMessage, `{"type": "watch", "id": "../../x"}`, false},
		{websocket.TextMessage, `{"type": "watch", "id": "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "stream": "stdin"}`, false},
		{websocket.TextMessage, `{"type": "watch", "id": "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "stream": "stdout", "offset": -1}`, false},
		{websocket.TextMessage, `{"type": "watch", "id": "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a", "stream": "stdout", "style": "<b>"}`, false},
	} {
		conn := connect(t, s, url)
		if err := conn.WriteMessage(c.kind, []byte(c.text)); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		for {
			var m message
			err := conn.ReadJSON(&m)
			var timeout net.Error
			if closed := err != nil; closed != c.close && m.Type != "hello" && m.Type != "loading" || errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%.40q: closed %v, %+v, %v", c.text, closed, m, err)
			}
			if err != nil || m.Type == "error" {
				break
			}
		}
	}
}

// TestRoutes holds the routes against openapi.json.
func TestRoutes(t *testing.T) {
	t.Parallel()
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	s := serverOf(emptyHome{}, Options{})
	routes := map[string]bool{}
	for _, r := range s.routes() {
		if r.path == "/api/tasks/{id}/{part}" {
			for part := range s.tasks.parts() {
				routes["get /api/tasks/{id}/"+part] = true
			}
		} else if strings.HasPrefix(r.path, "/api/") {
			routes[strings.ToLower(r.method)+" "+r.path] = true
		}
	}
	for path, item := range doc.Paths {
		for method := range item {
			if method == "parameters" {
				continue
			}
			if !routes[method+" "+path] {
				t.Errorf("%s %s is in the document, and not served", method, path)
			}
			delete(routes, method+" "+path)
		}
	}
	for r := range routes {
		t.Errorf("%s is served, and not in the document", r)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	var f failures
	now := time.Now()
	for i := range 3 * failuresKept {
		f.add(fmt.Sprint(i), now)
	}
	if len(f.from) > failuresKept {
		t.Errorf("%d addresses are remembered", len(f.from))
	}
	for range failuresAllowed {
		if f.add("x", now) != 0 {
			t.Fatal("limited too early")
		}
	}
	if wait := f.add("x", now); wait <= 0 || f.add("y", now) != 0 || f.add("x", now.Add(wait+time.Second)) != 0 {
		t.Errorf("after %d failures it waits for %s", failuresAllowed+1, wait)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := LoadKey(dir)
	if err != nil || checkKey(key) != nil {
		t.Fatalf("LoadKey returns %q, %v", key, err)
	}
	if again, err := LoadKey(dir); again != key || err != nil {
		t.Errorf("the second time it returns %q, %v", again, err)
	}
	// Several that make it at the same time all have the same.
	other := t.TempDir()
	keys := make(chan string, 16)
	for range cap(keys) {
		go func() {
			key, err := LoadKey(other)
			keys <- fmt.Sprint(key, err)
		}()
	}
	first := <-keys
	for range cap(keys) - 1 {
		if key := <-keys; key != first {
			t.Errorf("one has the key %s, another %s", first, key)
		}
	}
	file := filepath.Join(dir, keyFile)
	for mode, content := range map[os.FileMode]string{0o644: key, 0o600: "short", 0o400: key + " x"} {
		_ = os.Remove(file)
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if got, err := LoadKey(dir); err == nil || strings.Contains(err.Error(), content) {
			t.Errorf("of %q with mode %o it makes %q, %v", content, mode, got, err)
		}
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := LoadCertificate(dir, []string{"localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	same, err := LoadCertificate(dir, []string{"127.0.0.1"})
	if err != nil || Fingerprint(same) != Fingerprint(first) {
		t.Errorf("the certificate is made anew, %v", err)
	}
	other, err := LoadCertificate(dir, []string{"192.0.2.1"})
	if err != nil || Fingerprint(other) == Fingerprint(first) || other.Leaf.VerifyHostname("192.0.2.1") != nil {
		t.Errorf("for another address it is not made anew, %v", err)
	}
}

// TestJobs tells once of what keeps jobs from being asked about, and again when it is something else.
func TestJobs(t *testing.T) {
	t.Parallel()
	var said []string
	home := &troubled{}
	s := serverOf(home, Options{Log: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }})
	told := ""
	for _, trouble := range []string{"a", "a", "", "a", "b", "b"} {
		home.trouble = trouble
		told = s.jobs.ask(t.Context(), told)
	}
	if got := strings.Join(said, ","); got != "jobs: a,jobs: a,jobs: b" {
		t.Errorf("it says %s", got)
	}
}

// A troubled home has jobs that cannot be asked about.
type troubled struct {
	emptyHome
	trouble string
}

func (h *troubled) Refresh(context.Context) error {
	if h.trouble == "" {
		return nil
	}
	return errors.New(h.trouble)
}

// TestManyClients has a thousand clients come and go, and nothing of them stay.
func TestManyClients(t *testing.T) {
	s, url := serve(t)
	connect(t, s, url)
	await.That(t, "a client", func() bool { return s.hub.count() == 1 })
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("files that are open cannot be counted here")
		}
		return len(list)
	}
	goroutines, files := runtime.NumGoroutine(), open()
	for range 1000 {
		conn, resp, err := websocket.DefaultDialer.Dial(url, http.Header{"Authorization": {"Bearer " + s.options.Key}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // of a websocket there is none
		_ = conn.Close()
	}
	left := func() bool { return s.hub.count() > 1 || runtime.NumGoroutine() > goroutines+10 || open() > files }
	if !await.Holds(func() bool { return !left() }) {
		t.Errorf("%d clients, %d goroutines of %d and %d files of %d are there", s.hub.count(), runtime.NumGoroutine(), goroutines, open(), files)
	}
}

// TestJobsAgain asks about jobs as long as somebody is connected: at once, and then at intervals.
func TestJobsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		home := &counted{}
		s := serverOf(home, Options{Log: t.Logf})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.jobs.follow(ctx); close(ended) }()
		asked := func(want int64) {
			t.Helper()
			synctest.Wait()
			if got := home.asked.Load(); got != want {
				t.Errorf("it has asked %d times, want %d", got, want)
			}
		}
		come := func() *client {
			c := newClient(nil)
			s.hub.add(c, s.sockets.hello)
			return c
		}
		time.Sleep(time.Hour)
		asked(0) // nobody looks
		c := come()
		asked(1)
		time.Sleep(jobsEvery - 1)
		asked(1)
		time.Sleep(time.Nanosecond)
		asked(2)
		time.Sleep(2 * jobsEvery)
		asked(4)
		s.hub.remove(c)
		time.Sleep(time.Hour)
		asked(4)
		come()
		asked(5)
		cancel()
		<-ended
	})
}

// A counted home counts how often it is asked about its jobs.
type counted struct {
	emptyHome
	asked atomic.Int64
}

func (h *counted) Refresh(context.Context) error {
	h.asked.Add(1)
	return nil
}
