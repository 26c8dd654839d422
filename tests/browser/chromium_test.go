// Package browser shows the dashboard as a user sees it: the real program, asked by a
// real browser.
package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"qme/tests/require"
)

// patience is how long anything may take before the test says that it does not happen.
const patience = 30 * time.Second

var (
	shared  context.Context // of the one Chromium; nil before the first test
	program string          // the path of qme
	starter sync.Once
	failed  error
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "qme-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	prepare = func() error { return start(ctx, dir) }
	code := m.Run()
	if shared != nil {
		if err := chromedp.Cancel(shared); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	cancel()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// prepare builds qme and starts Chromium.
var prepare func() error

func start(ctx context.Context, dir string) error {
	program = filepath.Join(dir, "qme")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "qme")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		return err
	}
	profile := filepath.Join(dir, "profile")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 800), chromedp.WSURLReadTimeout(patience))
	for _, name := range []string{"no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, _ := chromedp.NewExecAllocator(ctx, options...)
	shared, _ = chromedp.NewContext(allocator)
	return chromedp.Do(shared)
}

// A home is a home of qme in a folder of the test.
type home struct {
	t   testing.TB
	dir string
	env []string // beside the one of the test
}

// newHome prepares the program and the browser, or ends the test where there is none.
func newHome(t testing.TB) *home {
	t.Helper()
	require.Component(t, "chromium", "go")
	starter.Do(func() { failed = prepare() })
	if failed != nil {
		t.Fatal(failed)
	}
	return &home{t: t, dir: filepath.Join(t.TempDir(), "home")}
}

func (h *home) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = h.t.TempDir()
	cmd.Env = append(os.Environ(), "QME_HOME="+h.dir, "HOME="+filepath.Dir(h.dir), "USER=tester", "GIT_CONFIG_NOSYSTEM=1")
	cmd.Env = append(cmd.Env, h.env...)
	return cmd
}

// qme runs qme, whatever its exit code, and returns its standard output.
func (h *home) qme(args ...string) string {
	h.t.Helper()
	cmd := h.command(args...)
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(out)
}

// id returns the id of the newest task.
func (h *home) id() string {
	h.t.Helper()
	first, _, _ := strings.Cut(h.qme("ls", "--json", "-n", "1"), "\n")
	var record struct{ UID string }
	if err := json.Unmarshal([]byte(first), &record); err != nil {
		h.t.Fatal(err)
	}
	return record.UID
}

// background starts qme and ends it with the test, if it has not ended by then.
func (h *home) background(args ...string) *exec.Cmd {
	h.t.Helper()
	cmd := h.command(args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the test looks at what is recorded
		close(done)
	}()
	h.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		<-done
	})
	return cmd
}

// A server is "qme start".
type server struct {
	home *home
	cmd  *exec.Cmd
	url  *url.URL // with the key
	args []string
}

func (h *home) serve(args ...string) *server {
	h.t.Helper()
	s := &server{home: h, args: args}
	s.start("0")
	h.t.Cleanup(s.stop)
	return s
}

func (s *server) start(port string) {
	t := s.home.t
	t.Helper()
	s.cmd = s.home.command(append([]string{"start", "--no-browser", "--port", port}, s.args...)...)
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("qme start said %q: %v", line, err)
	}
	if s.url, err = url.Parse(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
}

func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = s.cmd.Wait()                          // as a signal had it
	s.cmd = nil
}

// A tab shows pages of a server. When the test ends it must not have complained, and must
// have asked nobody else.
type tab struct {
	t    testing.TB
	ctx  context.Context
	host string // with the port, also of a server that is started again

	mu         sync.Mutex
	complaints []string
	excused    []string
}

// open opens a page in a browser of its own that has been given the key.
func (s *server) open(path string) *tab {
	t := s.home.t
	t.Helper()
	ctx, cancel := chromedp.NewContext(shared, chromedp.WithNewBrowserContext())
	p := &tab{t: t, ctx: ctx, host: s.url.Host}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, text := range p.complaints {
			t.Error(text)
		}
	})
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(s.url.String()))
	if path != "/" {
		p.visit(path)
	}
	return p
}

// enter has the browser open the printed address again, as in another tab.
func (p *tab) enter(s *server) {
	p.t.Helper()
	p.execute(fmt.Sprintf("fetch(%q).then((answer) => answer.ok || Promise.reject(answer.status))", s.url.RequestURI()))
}

// excuse lets complaints with this text pass.
func (p *tab) excuse(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excused = append(p.excused, text)
}

func (p *tab) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, excused := range p.excused {
		if strings.Contains(text, excused) {
			return
		}
	}
	p.complaints = append(p.complaints, text)
}

func (p *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complain("exception: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.complain("console: %s %v", e.Type, e.Args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.complain("log: %s %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		p.complain("dialog: %s", e.Message)
		go func() { // an error means that the tab is gone
			_, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || (u.Host != p.host && u.Scheme != "data") {
			p.complain("a request to %s", e.Request.URL)
		}
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%v\n%s", err, p.text("body"))
	}
}

// visit goes to another page of the server.
func (p *tab) visit(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate("http://" + p.host + path))
}

// text returns what an element shows, "" when there is none.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return evaluate[string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// evaluate returns what a script on the page comes to; it may await.
func evaluate[T any](p *tab, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, func(e *runtime.EvaluateParams) {
		e.AwaitPromise, e.ReplMode = &yes, &yes
	}))
	if err != nil {
		p.t.Fatalf("%.300s: %v", script, err)
	}
	return value
}

var yes = true

// execute runs a script on the page.
func (p *tab) execute(script string) {
	p.t.Helper()
	evaluate[chromedp.Void](p, script)
}

// until waits until a condition on the page holds.
func (p *tab) until(condition string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if evaluate[bool](p, "Boolean("+condition+")") {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not so after %s: %s\n%s", patience, condition, p.text("body"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sees waits until an element shows a text.
func (p *tab) sees(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text))
}

// has waits until an element holds a text, also where it is scrolled out of sight.
func (p *tab) has(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, text))
}

// click clicks with the mouse on what a selector finds.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// press presses a key that stands for itself, as a shortcut. Other than with keys, the page
// can keep the character from being put in.
func (p *tab) press(key string) {
	p.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		event := input.DispatchKeyEventParams{Type: kind, Key: key}
		if kind == input.DispatchKeyEventTypeKeyDown {
			event.Text = key
		}
		if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, event); err != nil {
			p.t.Fatal(err)
		}
	}
}

// keys types.
func (p *tab) keys(text string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(text))
}

// address waits until the address has a path and query.
func (p *tab) address(want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("location.pathname + location.search === %q", want))
}
