package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"qme/tests/await"
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
// get asks again while the server says that the search index is being made.
func (b *board) get(path string, v any) {
	b.t.Helper()
	resp, body := b.do("GET", path, "")
	for end := time.Now().Add(patience); resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(body, "the index is being made") && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		resp, body = b.do("GET", path, "")
	}
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
	LastLine                     string `json:"last_line"`
	Name                         string
	Tags                         []string
	MoreTags                     int `json:"more_tags"`
	Notes                        int
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
	Printed                 []struct{ ID, Line string }
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

// TestDashboardCostlyOutput watches output that takes seconds to draw: news of other runs
// come meanwhile.
func TestDashboardCostlyOutput(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	b := h.serve()
	e := b.listen()
	frames := filepath.Join(t.TempDir(), "frames")
	if err := os.WriteFile(frames, []byte(strings.Repeat(strings.Repeat("\n", 99)+"\x1b[H", 18_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	gate := newFIFO(t)
	run := h.start("-q", "run", "sh", "-c", "read x <"+gate+"; cat "+frames)
	id := e.until(func(m told) bool { return m.Type == "tasks" && len(m.Added) == 1 }).Added[0].ID
	e.say(map[string]any{"type": "watch", "id": id, "stream": "stdout", "offset": 0, "style": ""})
	if err := os.WriteFile(gate, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
	run.wait()
	e.until(func(m told) bool {
		return m.Type == "tasks" && len(m.Changed) == 1 && m.Changed[0].Status == "complete"
	})
	h.must("-q", "run", "true")
	e.until(func(m told) bool {
		if m.Type == "output" && m.Done {
			t.Error("all was drawn before the other run was told of")
		}
		return m.Type == "tasks" && slices.ContainsFunc(m.Added, func(a task) bool { return a.ID != id })
	})
}

// TestDashboardPrints follows the last line of runs that print, as a listing shows it.
func TestDashboardPrints(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	b := h.serve()
	e := b.listen()
	gate := newFIFO(t)
	run := h.start("-q", "run", "sh", "-c", `while read -r line; do printf "$line"; done <`+gate)
	id := e.until(func(m told) bool { return m.Type == "tasks" && len(m.Added) == 1 }).Added[0].ID
	e.say(map[string]any{"type": "watch", "id": id, "stream": "stdout", "offset": 0, "style": ""})
	pipe, err := os.OpenFile(gate, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`\033[1;32mepoch 1\033[0m\n`, "epoch 1"}, {`10%%`, "10%"}, {`\r20%% <b>\033[K`, "20% <b>"}, {`\n\n \n`, ""}, {`\033]0;title\007a\342\200\256b\n`, `a\u202eb`},
		{`a\033[9223372036854775807Cb\n`, "a" + strings.Repeat(" ", 248) + "b"}, {`c\n\033[9223372036854775807Bd\n`, "d"}, {`e\033[999999999999999999999999;9223372036854775807Hf\n`, "f"},
		{strings.Repeat("x", 3000) + `\n`, strings.Repeat("x", 250)},
	} {
		if _, err := pipe.WriteString(c[0] + "\n"); err != nil {
			t.Fatal(err)
		}
		if c[1] == "" {
			continue // blank lines change nothing
		}
		e.until(func(m told) bool {
			return len(m.Printed) == 1 && m.Printed[0].ID == id && strings.HasPrefix(m.Printed[0].Line, c[1])
		})
		if got := b.tasks("")[0].LastLine; !strings.HasPrefix(got, c[1]) {
			t.Errorf("the last line is %q, want %q", got, c[1])
		}
		var o struct{ Running []task }
		if b.get("/api/overview", &o); !strings.HasPrefix(o.Running[0].LastLine, c[1]) {
			t.Errorf("in the overview the last line is %q, want %q", o.Running[0].LastLine, c[1])
		}
	}
	if err := pipe.Close(); err != nil {
		t.Fatal(err)
	}
	run.wait()
	e.until(func(m told) bool {
		return m.Type == "tasks" && len(m.Changed) == 1 && m.Changed[0].Status == "complete"
	})
	if got := b.tasks("")[0].LastLine; got != "" {
		t.Errorf("the run that has ended has the last line %q", got)
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
	eventually(t, func() bool { l := b.tasks(""); return l[0].Run == 2 && l[0].Outcome == "ok" })
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

// TestDashboardRerunsAtOnce has a task be run again by several at once: one does, and the others are
// told.
func TestDashboardRerunsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "sleep", "1")
	boards := []*board{h.serve(), h.serve()} // of one home
	id := boards[0].tasks("")[0].ID
	var codes [6]int
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			resp, _ := boards[i%2].do("POST", "/api/tasks/"+id+"/rerun", "")
			codes[i] = resp.StatusCode
		})
	}
	wg.Wait()
	slices.Sort(codes[:])
	if codes != [...]int{202, 409, 409, 409, 409, 409} {
		t.Errorf("they are answered %v", codes)
	}
	eventually(t, func() bool { return boards[0].tasks("")[0].Outcome == "ok" })
	if run := boards[0].tasks("")[0].Run; run != 2 {
		t.Errorf("it has run %d times", run)
	}
}

// TestDashboardEnds has signals end the server, but for those that were ignored where it was started.
func TestDashboardEnds(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			continue // here, too
		}
		b := h.serve()
		e := b.listen()
		if code := b.stop(sig); code != 0 {
			t.Errorf("%v: it ends with %d", sig, code)
		}
		var err error
		for err == nil { // what it has said before comes first
			_, _, err = e.conn.ReadMessage()
		}
		if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
			t.Errorf("%v: the websocket ends with %v", sig, err)
		}
	}
	h.shell = `trap "" HUP; exec "$0" "$@"`
	b := h.serve()
	if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	b.tasks("")
	if code := b.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("under nohup it ends with %d", code)
	}
}

// TestDashboardUnheard has nobody read the messages of the server.
func TestDashboardUnheard(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.shell = `exec "$0" "$@" 2>"` + newFIFO(t) + `"`
	read, err := os.OpenFile(h.shell[strings.LastIndex(h.shell, ">")+2:len(h.shell)-1], os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := h.serve("--debug")
	b.tasks("")
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.tasks("")
	}
	if code := b.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}

// TestDashboardDebug has what is asked for be one line, whatever it is.
func TestDashboardDebug(t *testing.T) {
	t.Parallel()
	b := newHome(t).serve("--debug")
	b.do("GET", "/%0Aqme:%20forged?token=secret", "", noKey)
	eventually(t, func() bool { return strings.Contains(b.said(), "forged") })
	if said := b.said(); strings.Contains(said, "\nqme: forged") || strings.Contains(said, "secret") {
		t.Errorf("it says %s", said)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	await.That(t, "what is asked for here", ok)
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
