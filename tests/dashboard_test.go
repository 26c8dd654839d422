package tests

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"qme/tests/require"
)

// patience is how long something is waited for that has to happen.
const patience = 30 * time.Second

// A board is a dashboard as a process of its own.
type board struct {
	t         testing.TB
	cmd       *exec.Cmd
	base, key string
	client    *http.Client
	errs      string // the file with its standard error
	ended     chan struct{}
}

// serve starts qme start, and ends it with the test.
func (h *home) serve(args ...string) *board {
	h.t.Helper()
	b := &board{t: h.t, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, errs: filepath.Join(h.t.TempDir(), "stderr"), ended: make(chan struct{})}
	if !slices.Contains(args, "--socket") && !slices.Contains(args, "--port") {
		args = append(args, "--port", "0")
	}
	b.cmd = h.command(append([]string{"start", "--no-browser"}, args...)...)
	errs, err := os.Create(b.errs)
	if err != nil {
		h.t.Fatal(err)
	}
	defer errs.Close()
	b.cmd.Stderr = errs
	out, err := b.cmd.StdoutPipe()
	if err == nil {
		err = b.cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = b.cmd.Wait()
		h.t.Fatalf("qme start printed %q and ended: %s", line, b.said())
	}
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil || u.Query().Get("token") == "" {
		h.t.Fatalf("qme start printed %q", line)
	}
	b.base, b.key = u.Scheme+"://"+u.Host, u.Query().Get("token")
	go func() { _ = b.cmd.Wait(); close(b.ended) }()
	h.t.Cleanup(func() { b.stop(os.Kill) })
	return b
}

// said returns what the server has printed on standard error.
func (b *board) said() string {
	b.t.Helper()
	text, err := os.ReadFile(b.errs)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// stop ends the server and returns its exit code.
func (b *board) stop(sig os.Signal) int {
	b.t.Helper()
	_ = b.cmd.Process.Signal(sig) // it may have ended
	select {
	case <-b.ended:
	case <-time.After(patience):
		_ = b.cmd.Process.Kill()
		b.t.Fatalf("the server does not end")
	}
	return b.cmd.ProcessState.ExitCode()
}

// An ask is a request that is not the usual one.
type ask func(*http.Request)

func header(name, value string) ask { return func(r *http.Request) { r.Header.Set(name, value) } }
func noKey(r *http.Request)         { r.Header.Del("Authorization") }
func called(host string) ask        { return func(r *http.Request) { r.Host = host } }

// An answer is the head of a response, whose body has been read.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
	cookies    []*http.Cookie
}

// do sends a request with the key and returns the answer.
func (b *board) do(method, path, body string, asks ...ask) (*answer, string) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, a := range asks {
		a(req)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return &answer{resp.StatusCode, resp.Status, resp.Header, resp.Cookies()}, string(got)
}

// get returns an answer that has to be one, as JSON.
func (b *board) get(path string, v any) {
	b.t.Helper()
	resp, body := b.do("GET", path, "")
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %s\n%s", path, resp.Status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		b.t.Fatalf("%s: %v\n%s", path, err, body)
	}
}

// A task is what the tests look at in a summary.
type task struct {
	ID, Command, Status, Outcome string
	Run                          int
}

func (b *board) tasks(query string) (list []task) {
	b.t.Helper()
	var page struct{ Tasks []task }
	b.get("/api/tasks"+query, &page)
	return page.Tasks
}

// A told is a message of the websocket.
type told struct {
	Type, Version, Detail   string
	ID, Stream              string
	Added, Changed, Running []task
	Removed, Lines          []string
	Line, Total             int
	Done, Behind            bool
}

// live connects to the websocket, and has read the greeting.
func (b *board) live(h http.Header) (conn *websocket.Conn, status int, err error) {
	d := websocket.Dialer{HandshakeTimeout: patience}
	if t, ok := b.client.Transport.(*http.Transport); ok {
		d.TLSClientConfig, d.NetDialContext = t.TLSClientConfig, t.DialContext
	}
	if h == nil {
		h = http.Header{"Authorization": {"Bearer " + b.key}}
	}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(b.base, "http")+"/api/live", h)
	if resp != nil {
		status = resp.StatusCode
		_ = resp.Body.Close() // of a websocket there is none
	}
	return conn, status, err
}

// An ear hears the websocket.
type ear struct {
	t    testing.TB
	conn *websocket.Conn
}

func (b *board) listen() *ear {
	b.t.Helper()
	conn, _, err := b.live(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	e := &ear{b.t, conn}
	e.until(func(m told) bool { return m.Type == "hello" })
	return e
}

// until reads messages up to one that is wanted.
func (e *ear) until(wanted func(told) bool) told {
	e.t.Helper()
	_ = e.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		var m told
		if err := e.conn.ReadJSON(&m); err != nil {
			e.t.Fatalf("the message that is waited for does not come: %v", err)
		}
		if wanted(m) {
			return m
		}
	}
}

func (e *ear) say(v any) {
	e.t.Helper()
	if err := e.conn.WriteJSON(v); err != nil {
		e.t.Fatal(err)
	}
}

// TestDashboardLive follows a run that another terminal starts, from its start over its
// output to its end, and what becomes of it.
func TestDashboardLive(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	b := h.serve()
	e := b.listen()
	gate := newFIFO(t)
	run := h.start("run", "sh", "-c", `printf 'begun\n\033[31mred'; read x <`+gate+`; echo; echo ended; exit 3`)
	began := e.until(func(m told) bool { return m.Type == "tasks" && len(m.Added) == 1 })
	id := began.Added[0].ID
	if began.Added[0].Status != "running" || began.Total != 1 {
		t.Errorf("told of the start: %+v", began)
	}
	e.say(map[string]any{"type": "watch", "id": id, "stream": "stdout", "offset": 0, "style": ""})
	var screen []string
	put := func(m told) bool {
		if m.Type == "output" && m.ID == id {
			screen = append(screen[:m.Line], m.Lines...)
		}
		return m.Type == "output"
	}
	for len(screen) < 2 {
		e.until(put)
	}
	if want := []string{"begun", `<span class="term-fg31">red</span>`}; !slices.Equal(screen, want) {
		t.Errorf("the output so far is %q, want %q", screen, want)
	}
	if err := os.WriteFile(gate, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	over, done := told{}, false
	for over.Type == "" || !done {
		e.until(func(m told) bool {
			if put(m) {
				done = m.Done
			}
			if m.Type == "tasks" && len(m.Changed) == 1 && m.Changed[0].Status == "complete" {
				over = m
			}
			return true
		})
	}
	if over.Changed[0].Outcome != "failed" || screen[len(screen)-1] != `<span class="term-fg31">ended</span>` {
		t.Errorf("told of the end: %+v, the output is %q", over, screen)
	}
	if code := run.wait(); code != 3 {
		t.Errorf("the run ended with %d", code)
	}
	h.must("clear", "--force", id)
	e.until(func(m told) bool { return slices.Contains(m.Removed, id) })
}

// TestDashboardPull has tasks arrive from another machine, few and many.
func TestDashboardPull(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	hub := newHub(t)
	far, h := newHome(t), newHome(t)
	far.must("remote", hub.dir)
	h.must("remote", hub.dir)
	far.must("-q", "run", "echo", "far")
	far.must("push")
	b := h.serve()
	e := b.listen()
	h.must("pull")
	if m := e.until(func(m told) bool { return m.Type == "tasks" }); len(m.Added) != 1 || m.Added[0].Command != "echo far" {
		t.Errorf("told of a pull: %+v", m)
	}
}

// TestDashboardRerun runs, cancels and clears tasks from the dashboard. A run that it
// started goes on when it has ended.
func TestDashboardRerun(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	dir := t.TempDir()
	gate := newFIFO(t)
	cmd := h.command("-q", "run", "sh", "-c", "echo out; read x <"+gate)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gate, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	b := h.serve()
	id := b.tasks("")[0].ID
	expect := func(status int, method, path, body, want string) {
		t.Helper()
		if resp, got := b.do(method, path, body); resp.StatusCode != status || !strings.Contains(got, want) {
			t.Errorf("%s %s: %s\n%s\nwant %d and %q", method, path, resp.Status, got, status, want)
		}
	}
	expect(409, "POST", "/api/tasks/"+id+"/cancel", "", "not running")
	expect(202, "POST", "/api/tasks/"+id+"/rerun", "", id)
	expect(409, "POST", "/api/tasks/"+id+"/rerun", "", "running")
	expect(409, "DELETE", "/api/tasks/"+id, "", "running")
	expect(409, "POST", "/api/tasks/clear", `{"ids": ["`+id+`"]}`, "running")
	if code := b.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
	if err := os.WriteFile(gate, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	b = h.serve()
	eventually(t, func() bool { l := b.tasks(""); return l[0].Run == 2 && l[0].Outcome == "succeeded" })
	expect(202, "POST", "/api/tasks/"+id+"/rerun", "", id)
	expect(200, "POST", "/api/tasks/"+id+"/actions/cancel", `{"args": []}`, "")
	eventually(t, func() bool { return b.tasks("")[0].Outcome == "cancelled" })
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	expect(409, "POST", "/api/tasks/"+id+"/rerun", "", "cannot be entered")
	expect(404, "POST", "/api/tasks/clear", `{"ids": ["`+id+`", "shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a"]}`, "not found")
	expect(200, "GET", "/api/tasks/"+id, "", id)
	expect(204, "DELETE", "/api/tasks/"+id, "", "")
	expect(404, "GET", "/api/tasks/"+id, "", "not-found")
	if len(b.tasks("")) != 0 {
		t.Errorf("there are tasks: %v", b.tasks(""))
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is waited for does not happen")
		}
	}
}

// TestDashboardKey tries to get in with and without the key.
func TestDashboardKey(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	b := h.serve()
	for _, path := range []string{"/", "/overview", "/assets/index.html", "/api/tasks", "/api/live", "/api/openapi.json", "/nothing"} {
		if resp, body := b.do("GET", path, "", noKey); resp.StatusCode != 401 || strings.Contains(body, b.key) {
			t.Errorf("without the key %s answers %s\n%s", path, resp.Status, body)
		}
	}
	resp, _ := b.do("GET", "/overview?theme=dark&token="+b.key, "", noKey)
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/overview?theme=dark" {
		t.Fatalf("the printed address leads to %s %q", resp.Status, resp.Header.Get("Location"))
	}
	cookie := resp.cookies[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Value == b.key {
		t.Errorf("the cookie is %v", resp.Header.Get("Set-Cookie"))
	}
	withCookie := func(r *http.Request) { noKey(r); r.AddCookie(cookie) }
	for path, want := range map[string]int{"/": 200, "/api/tasks": 200, "//evil.example/?token=" + b.key: 303} {
		resp, _ := b.do("GET", path, "", withCookie)
		if resp.StatusCode != want || strings.HasPrefix(resp.Header.Get("Location"), "//") {
			t.Errorf("with the cookie %s answers %s, to %q", path, resp.Status, resp.Header.Get("Location"))
		}
	}
	for i := range 30 {
		resp, _ := b.do("GET", "/api/tasks", "", header("Authorization", fmt.Sprintf("Bearer %043d", i)))
		if limited := resp.StatusCode == 429 && resp.Header.Get("Retry-After") != ""; limited != (i >= 10) {
			t.Errorf("the wrong key number %d gets %s", i+1, resp.Status)
		}
	}
	if resp, _ := b.do("GET", "/?token=wrong", "", noKey); resp.StatusCode != 429 {
		t.Errorf("a wrong key in the address gets %s", resp.Status)
	}
	// Others on this machine have the same address, and must not lock the owner out.
	if got := b.tasks(""); len(got) != 1 {
		t.Errorf("the right key no longer opens")
	}
	info, err := os.Stat(filepath.Join(h.dir, "dashboard.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	b.stop(os.Interrupt)
	if again := h.serve(); again.key != b.key {
		t.Errorf("after a restart the key is another one")
	}
	made := strings.TrimSpace(h.must("generate-key"))
	if again := h.serve(); again.key != made || made == b.key {
		t.Errorf("generate-key printed %q, the key is %q", made, again.key)
	}
}

// TestDashboardOtherSites has other sites, and names that point here, ask.
func TestDashboardOtherSites(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	b := h.serve()
	id := b.tasks("")[0].ID
	port := b.base[strings.LastIndexByte(b.base, ':')+1:]
	for host, want := range map[string]int{
		"localhost:" + port: 200, "LOCALHOST": 200, "127.0.0.1:1": 200, "[::1]:" + port: 200, "localhost.:" + port: 200,
		"evil.example": 403, "evil.example:" + port: 403, "127.0.0.1.evil.example": 403, "localhost.evil.example:" + port: 403, "0.0.0.0:" + port: 403,
	} {
		if resp, _ := b.do("GET", "/api/tasks", "", called(host)); resp.StatusCode != want {
			t.Errorf("called %s it answers %s", host, resp.Status)
		}
	}
	for name, a := range map[string]ask{
		"origin": header("Origin", "https://evil.example"), "another port": header("Origin", "http://127.0.0.1:1"), "null": header("Origin", "null"),
		"cross-site": header("Sec-Fetch-Site", "cross-site"), "same site": header("Sec-Fetch-Site", "same-site"),
	} {
		for _, c := range [][2]string{{"DELETE", "/api/tasks/" + id}, {"POST", "/api/tasks/" + id + "/rerun"}} {
			if resp, body := b.do(c[0], c[1], "", a); resp.StatusCode != 403 {
				t.Errorf("%s: %s %s answers %s\n%s", name, c[0], c[1], resp.Status, body)
			}
		}
	}
	key := "Bearer " + b.key
	for name, c := range map[string]struct {
		h    http.Header
		want int
	}{
		"own origin": {http.Header{"Authorization": {key}, "Origin": {b.base}}, 101}, "no browser": {http.Header{"Authorization": {key}}, 101},
		"other origin": {http.Header{"Authorization": {key}, "Origin": {"https://evil.example"}}, 403}, "null": {http.Header{"Authorization": {key}, "Origin": {"null"}}, 403},
		"no key": {http.Header{"Origin": {b.base}}, 401}, "browser without origin": {http.Header{"Authorization": {key}, "Sec-Fetch-Site": {"cross-site"}}, 403},
	} {
		conn, status, err := b.live(c.h)
		if status != c.want {
			t.Errorf("websocket, %s: %d, %v", name, status, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	if len(b.tasks("")) != 1 || b.tasks("")[0].Run != 1 {
		t.Errorf("another site changed tasks")
	}
}

// TestDashboardHeaders looks at what every answer has.
func TestDashboardHeaders(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	b := h.serve()
	id := b.tasks("")[0].ID
	for _, path := range []string{"/", "/tasks/" + id, "/api/tasks", "/api/tasks/" + id + "/raw/stdout", "/api/plots/days.svg", "/nothing"} {
		resp, _ := b.do("GET", path, "")
		csp := resp.Header.Get("Content-Security-Policy")
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") && !strings.Contains(csp, "sandbox") ||
			strings.Contains(csp, "script-src 'unsafe") {
			t.Errorf("%s has the headers %v", path, resp.Header)
		}
	}
	for _, path := range []string{"/", "/assets/index.html", "/api/tasks", "/api/facets", "/api/overview", "/api/tasks/" + id, "/api/openapi.json", "/api/plots/days.svg"} {
		resp, _ := b.do("GET", path, "")
		tag := resp.Header.Get("ETag")
		again, body := b.do("GET", path, "", header("If-None-Match", tag))
		if resp.StatusCode != 200 || tag == "" || again.StatusCode != 304 || body != "" {
			t.Errorf("%s answers %s with the tag %q, and then %s", path, resp.Status, tag, again.Status)
		}
	}
	resp, _ := b.do("GET", "/api/tasks", "")
	h.must("-q", "run", "true")
	if again, _ := b.do("GET", "/api/tasks", "", header("If-None-Match", resp.Header.Get("ETag"))); again.StatusCode != 200 {
		t.Errorf("after another run the listing answers %s", again.Status)
	}
}

// TestDashboardRefuses has requests that are wrong change nothing and be told why.
func TestDashboardRefuses(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	b := h.serve()
	id := b.tasks("")[0].ID
	for _, c := range []struct {
		status                   int
		method, path, body, want string
	}{
		{400, "GET", "/api/tasks?sort=size", "", "size"}, {400, "GET", "/api/tasks?status=done", "", "done"}, {400, "GET", "/api/tasks?limit=1001", "", "1000"},
		{400, "GET", "/api/tasks?offset=-1", "", "offset"}, {400, "GET", "/api/tasks?after=soon", "", "soon"}, {400, "GET", "/api/tasks?q=nofield:x", "", `"position":0`},
		{400, "GET", "/api/tasks/" + id + "?run=0", "", "run"}, {404, "GET", "/api/tasks/" + id + "?run=2", "", "no run 2"}, {400, "GET", "/api/tasks/@1", "", "@1"},
		{404, "GET", "/api/tasks/" + id + "/output/stdin", "", "stdin"}, {400, "GET", "/api/tasks/" + id + "/output/stdout?style=x", "", "style"},
		{400, "GET", "/api/tasks/" + id + "/diff?a=1", "", "two runs"}, {404, "GET", "/api/tasks/" + id + "/nothing", "", "/api/openapi.json"},
		{404, "GET", "/api/nothing", "", "nothing"}, {404, "GET", "/assets/nothing.js", "", "nothing"}, {404, "GET", "/assets/%2e%2e/openapi.json", "", ""},
		{405, "PUT", "/api/tasks/" + id, "", "PUT"}, {405, "POST", "/api/info", "", "GET"}, {404, "POST", "/api/tasks/" + id + "/actions/shutdown", `{"args": []}`, "shutdown"},
		{400, "POST", "/api/tasks/clear", `{"ids": []}`, "ids"}, {400, "POST", "/api/tasks/clear", `{"ids": [""]}`, "empty"}, {400, "POST", "/api/tasks/clear", `{"id": ["x"]}`, "id"},
		{400, "POST", "/api/tasks/clear", `{`, "body"}, {400, "POST", "/api/tasks/clear", `{"ids": ["x"]} {}`, "more"},
		{413, "POST", "/api/tasks/clear", `{"ids": ["` + strings.Repeat("x", 3<<20) + `"]}`, "larger"}, {400, "GET", "/api/plots/days.svg?theme=pink", "", "pink"},
	} {
		resp, body := b.do(c.method, c.path, c.body)
		if resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %s, want %d and %q\n%s", c.method, c.path, resp.Status, c.status, c.want, body)
		}
		if kind := resp.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s %s answers with %q", c.method, c.path, kind)
		}
	}
	if resp, _ := b.do("POST", "/api/tasks/clear", `{"ids": ["`+id+`"]}`, header("Content-Type", "text/plain")); resp.StatusCode != 415 {
		t.Errorf("a form of another site is answered with %s", resp.Status)
	}
	b.stop(os.Interrupt)
	b = h.serve("--read-only")
	for _, c := range [][3]string{
		{"DELETE", "/api/tasks/" + id, ""}, {"POST", "/api/tasks/" + id + "/rerun", ""}, {"POST", "/api/tasks/" + id + "/cancel", ""},
		{"POST", "/api/tasks/clear", `{"ids": ["` + id + `"]}`}, {"POST", "/api/tasks/" + id + "/actions/cancel", `{"args": []}`},
	} {
		if resp, body := b.do(c[0], c[1], c[2]); resp.StatusCode != 403 || !strings.Contains(body, `"code":"read-only"`) {
			t.Errorf("read-only: %s %s: %s\n%s", c[0], c[1], resp.Status, body)
		}
	}
	if got := b.tasks(""); len(got) != 1 || got[0].Run != 1 {
		t.Errorf("there are %v", got)
	}
}

// TestDashboardHostile shows what wants to be more than text.
func TestDashboardHostile(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	script := `<script>alert(1)</script><img src=x onerror=alert(1)>`
	for _, out := range []string{
		script, `\033]8;;javascript:alert(1)\007link\033]8;;\007`, `\033]1337;File=inline=1;url=http://evil.example/:\007 picture`, `\033]1339;url=http://evil.example\007 link`,
		`\033_bk;t=1\007stamp`, `\342\200\256abc`, `\377\376\000\001`, `\033]0;never ended`, `\033[31;<b>m`, `\302\233 31m`,
	} {
		h.must("-q", "run", "sh", "-c", "printf '"+out+"'")
	}
	h.must("-q", "run", "sh", "-c", `head -c 10000000 /dev/zero | tr '\0' '<'`)
	h.must("-q", "-m", script+"\u202e", "run", "echo", script, "\x1b[31m", "\xff")
	b := h.serve()
	resp, _ := b.do("GET", "/api/tasks", "")
	if resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("tasks are %q", resp.Header.Get("Content-Type"))
	}
	for _, task := range b.tasks("?limit=1000") {
		size := checkPieces(t, b, task.ID)
		resp, raw := b.do("GET", "/api/tasks/"+task.ID+"/raw/stdout", "")
		kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
		if !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") ||
			kind != "text/plain" && kind != "application/octet-stream" || len(raw) != size {
			t.Errorf("%s: %d bytes, of %d, with %v", task.Command, len(raw), size, resp.Header)
		}
		part, piece := b.do("GET", "/api/tasks/"+task.ID+"/raw/stdout", "", header("Range", "bytes=1-2"))
		if part.StatusCode != 206 || piece != raw[1:3] {
			t.Errorf("%s: a range is answered with %s, %q", task.Command, part.Status, piece)
		}
	}
}

// checkPieces reads a task's output as the page does, and returns its size.
func checkPieces(t *testing.T, b *board, id string) int {
	t.Helper()
	var p struct {
		Offset, End, Size int
		Style             string
		More              bool
		Lines             []string
	}
	p.More = true
	for p.More {
		from := p.End
		b.get(fmt.Sprintf("/api/tasks/%s/output/stdout?offset=%d&style=%s", id, p.End, url.QueryEscape(p.Style)), &p)
		if p.Offset != from || p.End <= from && p.More {
			t.Fatalf("%s: a piece from %d is from %d to %d", id, from, p.Offset, p.End)
		}
		for _, line := range p.Lines {
			rest := line
			for tag, after, found := "", "", true; found; rest = after {
				if _, rest, found = strings.Cut(rest, "<"); !found {
					break
				}
				tag, after, _ = strings.Cut(rest, ">")
				if class, ok := strings.CutPrefix(tag, `span class="`); tag != "/span" && (!ok || strings.Trim(class, `abcdefghijklmnopqrstuvwxyz0123456789- "`) != "") {
					t.Fatalf("the output has the element %.80q", tag)
				}
			}
			if strings.ContainsAny(line, "\x1b\x00\u202e\u009b") {
				t.Errorf("the output has the line %.80q", line)
			}
		}
	}
	if p.End != p.Size {
		t.Errorf("%s: the pieces end at %d of %d", id, p.End, p.Size)
	}
	return p.Size
}

// TestDashboardLongOutput reads what has its middle cut out, while it runs and when it has ended.
func TestDashboardLongOutput(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.env = append(h.env, "QME_RUN_KEEP=200KiB")
	gate := newFIFO(t)
	run := h.start("-q", "run", "sh", "-c", "seq 1 200000; read x <"+gate)
	b := h.serve()
	eventually(t, func() bool { l := b.tasks(""); return len(l) == 1 && l[0].Status == "running" })
	id := b.tasks("")[0].ID
	last := func() string {
		var p struct {
			Offset, End int
			Style       string
			More        bool
			Lines       []string
		}
		line, gaps := "", 0
		for p.More = true; p.More; {
			from := p.End
			b.get(fmt.Sprintf("/api/tasks/%s/output/stdout?offset=%d&limit=50000", id, p.End), &p)
			if p.Offset != from {
				gaps++
			}
			if len(p.Lines) > 0 {
				line = p.Lines[len(p.Lines)-1]
			}
		}
		if gaps != 1 {
			return fmt.Sprint(gaps, " gaps")
		}
		return line
	}
	eventually(t, func() bool { return last() == "200000" })
	if err := os.WriteFile(gate, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	run.wait()
	if got := last(); got != "200000" {
		t.Errorf("the last line is %q", got)
	}
}

// TestDashboardListens serves on a socket and over TLS, and says what is in the way.
func TestDashboardListens(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	path := filepath.Join(t.TempDir(), "s")
	b := h.serve("--socket", path)
	b.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	eventually(t, func() bool { return strings.Contains(b.said(), "ssh -L 5000:"+path) })
	if len(b.tasks("")) != 1 {
		t.Errorf("over the socket: %v", b.tasks(""))
	}
	b.listen()
	if _, errs, code := h.run("start", "--no-browser", "--socket", path); code != 1 || !strings.Contains(errs, "a server listens on") {
		t.Errorf("a second server ends with %d, %s", code, errs)
	}
	b.stop(os.Kill)
	b = h.serve("--socket", path) // what a killed one left is no obstacle
	b.stop(os.Interrupt)
	if _, err := os.Stat(path); err == nil {
		t.Errorf("the socket is left")
	}

	b = h.serve("--host", "0.0.0.0")
	port := b.base[strings.LastIndexByte(b.base, ':')+1:]
	b.base = "https://127.0.0.1:" + port
	b.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	eventually(t, func() bool { return strings.Contains(b.said(), "SHA-256 fingerprint") })
	if len(b.tasks("")) != 1 {
		t.Errorf("over TLS: %v", b.tasks(""))
	}
	b.listen()
	if info, err := os.Stat(filepath.Join(h.dir, "dashboard.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the certificate: %v, %v", info, err)
	}
	if _, errs, code := h.run("start", "--no-browser", "--port", port, "--host", "0.0.0.0"); code != 1 || !strings.Contains(errs, "in use") || !strings.Contains(errs, "--port 0") {
		t.Errorf("a second server ends with %d, %s", code, errs)
	}
}

// TestDashboardHomeGone has the home vanish and come back.
func TestDashboardHomeGone(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	b := h.serve()
	b.tasks("")
	e := b.listen()
	away := h.dir + ".away"
	if err := os.Rename(h.dir, away); err != nil {
		t.Fatal(err)
	}
	if m := e.until(func(m told) bool { return m.Type == "behind" && m.Behind }); m.Detail == "" {
		t.Errorf("told %+v", m)
	}
	if len(b.tasks("")) != 1 {
		t.Errorf("what was known is gone")
	}
	if err := os.Rename(away, h.dir); err != nil {
		t.Fatal(err)
	}
	e.until(func(m told) bool { return m.Type == "behind" && !m.Behind })
	h.must("-q", "run", "echo", "again")
	e.until(func(m told) bool { return m.Type == "tasks" && m.Total == 2 })
}

// TestDashboardPacked has the repository be packed, by qme and by git, while it is shown.
func TestDashboardPacked(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	h := newHome(t)
	for i := range 5 {
		h.must("-q", "run", "echo", fmt.Sprint(i))
	}
	b := h.serve()
	e := b.listen()
	h.must("gc")
	gitIn(t, filepath.Join(h.dir, "tasks.git"), "gc", "-q")
	gitIn(t, filepath.Join(h.dir, "tasks.git"), "pack-refs", "--all")
	h.must("-q", "run", "echo", "after")
	e.until(func(m told) bool { return m.Type == "tasks" && len(m.Added)+len(m.Changed) > 0 && m.Total == 6 })
	for _, task := range b.tasks("") {
		checkPieces(t, b, task.ID)
	}
	if got := b.tasks("?q=after"); len(got) != 1 || got[0].Command != "echo after" {
		t.Errorf("found %v", got)
	}
}

// TestDashboardOtherHistory has another history take the place of the one that is shown.
func TestDashboardOtherHistory(t *testing.T) {
	t.Parallel()
	h, other := newHome(t), newHome(t)
	h.must("-q", "run", "echo", "mine")
	h.must("-q", "run", "echo", "mine too")
	other.must("-q", "run", "echo", "other")
	b := h.serve()
	b.tasks("")
	e := b.listen()
	repo := filepath.Join(h.dir, "tasks.git")
	if err := os.Rename(repo, repo+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(other.dir, "tasks.git"), repo); err != nil {
		t.Fatal(err)
	}
	m := e.until(func(m told) bool { return m.Type == "tasks" && len(m.Removed) == 2 })
	if len(m.Added) != 1 || m.Added[0].Command != "echo other" || m.Total != 1 {
		t.Errorf("told %+v", m)
	}
}

// TestDashboardDocument holds openapi.json against what is answered.
func TestDashboardDocument(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.run("-q", "run", "sh", "-c", "printf '\\033[31mred\\n'; exit 3")
	id := h.records()[0].UID
	h.must("-q", "-m", "x", "run", "echo", "one")
	other := string(h.records()[0].UID)
	h.run("-q", "rerun", string(id))
	gate := newFIFO(t)
	h.start("-q", "run", "sh", "-c", "echo begun; read x <"+gate)
	b := h.serve()
	eventually(t, func() bool { return len(b.tasks("?status=running")) == 1 })
	live := b.tasks("?status=running")[0].ID
	d := readDocument(t, b)
	one := "/api/tasks/" + string(id)
	for _, c := range [][3]string{
		{"GET", "/api/info"}, {"GET", "/api/openapi.json"}, {"GET", "/api/tasks"}, {"GET", "/api/tasks?q=echo&sort=-duration&status=succeeded"},
		{"GET", "/api/tasks/executor/shell"}, {"GET", one}, {"GET", one + "?run=1"}, {"GET", one + "/runs"}, {"GET", one + "/runs?limit=1"},
		{"GET", one + "/diff?a=1&b=2"}, {"GET", one + "/output/stdout"}, {"GET", "/api/tasks/" + live + "/output/stdout"}, {"GET", "/api/tasks/" + live + "/actions"},
		{"GET", one + "/raw/stdout"}, {"GET", one + "/actions"}, {"POST", one + "/actions/output", `{"args": []}`}, {"GET", one + "/plots/duration.svg"},
		{"GET", "/api/plots/days.svg?theme=dark"}, {"GET", "/api/plots/success.svg"}, {"GET", "/api/facets"}, {"GET", "/api/overview"}, {"GET", "/api/live"},
		{"POST", one + "/rerun"}, {"POST", "/api/tasks/" + live + "/cancel"}, {"DELETE", "/api/tasks/" + other}, {"POST", "/api/tasks/clear", `{"ids": ["` + other + `"]}`},
		{"GET", "/api/tasks/zzz"}, {"GET", "/api/tasks?sort=x"}, {"GET", "/api/tasks?q=nofield:x"},
	} {
		resp, body := b.do(c[0], c[1], c[2])
		d.check(c[0], c[1], resp, body)
	}
	eventually(t, func() bool { return len(b.tasks("?status=running")) == 0 })
	resp, body := b.do("POST", "/api/tasks/clear", `{"ids": ["`+string(id)+`"]}`)
	d.check("POST", "/api/tasks/clear", resp, body)
	d.complete()
}

// A document is openapi.json.
type document struct {
	t        testing.TB
	compiler *jsonschema.Compiler
	paths    map[string]map[string]any
	seen     map[string]bool
}

func readDocument(t *testing.T, b *board) *document {
	t.Helper()
	_, body := b.do("GET", "/api/openapi.json", "")
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{t: t, compiler: jsonschema.NewCompiler(), paths: map[string]map[string]any{}, seen: map[string]bool{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource("mem:///openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.(map[string]any)["paths"].(map[string]any) {
		d.paths[path] = item.(map[string]any)
	}
	for name, s := range doc.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any) {
		schema := d.compiler.MustCompile("mem:///openapi.json#/components/schemas/" + name)
		examples, _ := s.(map[string]any)["examples"].([]any)
		for _, ex := range examples {
			if err := schema.Validate(ex); err != nil {
				t.Errorf("the example of %s: %v", name, err)
			}
		}
	}
	return d
}

// pathOf returns the document's path for one that was asked for.
func (d *document) pathOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	best, most := "", -1
	for known := range d.paths {
		words := strings.Split(known, "/")
		literal := 0
		for i, w := range words {
			if len(words) != len(parts) || !strings.HasPrefix(w, "{") && w != parts[i] {
				literal = -1
				break
			}
			if !strings.HasPrefix(w, "{") {
				literal++
			}
		}
		if literal > most {
			best, most = known, literal
		}
	}
	return best
}

// check holds an answer against the document.
func (d *document) check(method, path string, resp *answer, body string) {
	d.t.Helper()
	known := d.pathOf(path)
	at := []string{"paths", known, strings.ToLower(method), "responses", fmt.Sprint(resp.StatusCode)}
	op, ok := d.paths[known][at[2]].(map[string]any)
	if !ok {
		d.t.Errorf("%s %s is not in the document", method, path)
		return
	}
	d.seen[method+" "+known] = true
	answer, ok := op["responses"].(map[string]any)[at[4]].(map[string]any)
	if !ok {
		d.t.Errorf("%s %s answers %s, of which the document says nothing\n%s", method, path, resp.Status, body)
		return
	}
	if ref, ok := answer["$ref"].(string); ok {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		answer = map[string]any{"content": map[string]any{"application/problem+json": nil}}
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	content, _ := answer["content"].(map[string]any)
	if _, ok := content[kind]; !ok && body != "" {
		d.t.Errorf("%s %s answers with %q, and not with %v", method, path, kind, content)
		return
	}
	if !strings.HasSuffix(kind, "json") {
		return
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		d.t.Errorf("%s %s: %v\n%s", method, path, err, body)
		return
	}
	pointer := "mem:///openapi.json#"
	for _, p := range append(at, "content", kind, "schema") {
		pointer += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	schema, err := d.compiler.Compile(pointer)
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		d.t.Errorf("%s %s: %v\n%s", method, path, err, body)
	}
}

// complete fails where something of the document was not asked for.
func (d *document) complete() {
	for path, item := range d.paths {
		for method := range item {
			if method != "parameters" && !d.seen[strings.ToUpper(method)+" "+path] {
				d.t.Errorf("%s %s was not tried", method, path)
			}
		}
	}
}

// TestDashboardJob has a task whose job waits: all that is asked about it answers, and what its job
// printed is there once it has ended.
func TestDashboardJob(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("submit", "#!/bin/sh\necho submitted 42\n", 0o700)
	write("output", "from the job\n", 0o600)
	write("config.toml", strings.ReplaceAll(`
[executor.batch]
match_program = "submit"
capture = ['^submitted (?P<id>\d+)$']
[executor.batch.refresh]
cmd = ["sh", "-c", 'test -z "$QME_SERVER_KEY" && cat "$1"', "sh", "DIR/state"]
capture = ['^state (?P<state>\w+)$', '^code (?P<returncode>\d+)$', '^elapsed (?P<elapsed>\d+)$']
final = ["DONE"]
[executor.batch.actions.output]
cmd = ["cat", "DIR/output"]
`, "DIR", dir), 0o600)
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "config.toml"), filepath.Join(h.dir, "config.toml")); err != nil {
		t.Fatal(err)
	}
	write("state", "state DONE\ncode 0\n", 0o600)
	h.must("-q", "run", filepath.Join(dir, "submit"))
	h.must("refresh")
	write("state", "state PENDING\n", 0o600)
	h.must("-q", "rerun", "@1")
	h.env = append(h.env, "QME_SERVER_KEY=0123456789abcdef0123456789abcdef") // which the scheduler's program must not see
	b := h.serve()
	d := readDocument(t, b)
	id := b.tasks("")[0].ID
	one := "/api/tasks/" + id
	ask := func(want int, method, path, body string) string {
		t.Helper()
		resp, got := b.do(method, path, body)
		if resp.StatusCode != want {
			t.Errorf("%s %s: %s, want %d\n%s", method, path, resp.Status, want, got)
		}
		d.check(method, path, resp, got)
		return got
	}
	if got := ask(200, "GET", "/api/tasks", ""); !strings.Contains(got, `"job_state":"PENDING"`) || !strings.Contains(got, `"duration":null`) {
		t.Errorf("the job that waits is %s", got)
	}
	if got := ask(200, "GET", "/api/overview", ""); !strings.Contains(got, `"running":[{"id":"`+id) {
		t.Errorf("the overview has %s", got)
	}
	ask(200, "GET", one+"/plots/duration.svg", "")
	ask(404, "GET", one+"/output/job-stdout", "")
	ask(404, "GET", one+"/raw/job-stderr", "")
	ask(409, "POST", one+"/cancel", "") // the section says of no way

	write("state", "state DONE\ncode 3\nelapsed 7\n", 0o600)
	b.listen() // and the server asks
	eventually(t, func() bool { return b.tasks("")[0].Outcome == "failed" })
	if got := ask(200, "GET", one+"/output/job-stdout", ""); !strings.Contains(got, `"lines":["from the job"]`) {
		t.Errorf("the job has printed %s", got)
	}
	if got := ask(200, "GET", one+"/raw/job-stdout", ""); got != "from the job\n" {
		t.Errorf("the job has printed %q", got)
	}
	if got := ask(200, "GET", "/api/tasks", ""); !strings.Contains(got, `"duration":7,`) || !strings.Contains(got, `"returncode":3`) {
		t.Errorf("the job that has ended is %s", got)
	}
}

// TestDashboardConnections has who has not the key keep no connection.
func TestDashboardConnections(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	b := h.serve()
	for _, c := range []struct{ host, path string }{{"localhost", "/"}, {"localhost", "/?token=x"}, {"example.org", "/"}} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", c.path, c.host); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%s of %s: the connection is kept: %v", c.path, c.host, err)
		}
		_ = conn.Close()
	}
}
