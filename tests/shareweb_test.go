package tests

import (
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/tests/require"
)

// A web serves repositories over https, to those who know the password.
type web struct {
	*httptest.Server
	ca string // file with its certificate
}

const (
	webUser     = "alice"
	webPassword = "open sesame"
)

func newWeb(t *testing.T, root string) *web {
	t.Helper()
	backend := &cgi.Handler{
		Path: filepath.Join(gitIn(t, root, "--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + webUser, "HOME=" + root},
	}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != webUser || password != webPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="tasks"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return &web{srv, ca}
}

// TestShareWeb pushes over https from a terminal, where qme asks who one is, and
// pulls elsewhere with a token. The password is nowhere to be seen afterwards.
func TestShareWeb(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	hub := newHub(t)
	srv := newWeb(t, filepath.Dir(hub.dir))
	url := srv.URL + "/" + filepath.Base(hub.dir)

	p := newPane(t)
	p.shell("export GIT_SSL_CAINFO="+srv.ca, 0)
	p.must("run", "echo", "from the terminal")
	p.must("remote", url)
	p.enter("qme push")
	p.sees("Username")
	p.enter(webUser)
	p.sees("Password")
	p.enter(webPassword)
	p.wantCode(0)
	if screen := p.screen(); !strings.Contains(screen, "pushed 1 task") || strings.Contains(screen, webPassword) {
		t.Errorf("the screen shows\n%s", screen)
	}
	p.shell("clear", 0) // the next question must not be taken for this one
	p.enter("qme sync")
	p.sees("Username")
	p.enter(webUser)
	p.sees("Password")
	p.enter("close sesame")
	p.wantCode(8)
	p.shell("clear", 0)
	p.enter("qme sync") // and Ctrl-C at the question
	p.sees("Username")
	p.key("C-c")
	p.wantCode(130)
	p.shell("clear", 0) // the next question must not be taken for this one
	p.enter("qme sync")
	p.sees("Username")
	p.enter(webUser)
	p.sees("Password")
	p.key("C-c")
	p.wantCode(130)
	p.shell("stty -a | grep -qw -e -echo", 1) // what is typed is shown again

	h := newHome(t)
	cmd := h.command("clone", url)
	cmd.Env = append(cmd.Env, "GIT_SSL_CAINFO="+srv.ca)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "QME_TOKEN") {
		t.Errorf("clone without anybody to ask: %v\n%s", err, out)
	}
	named := strings.Replace(url, "https://", "https://"+webUser+"@", 1)
	cmd = h.command("clone", named)
	cmd.Env = append(cmd.Env, "GIT_SSL_CAINFO="+srv.ca, "QME_TOKEN="+webPassword)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "pulled 1 task") {
		t.Errorf("clone with a token: %v\n%s", err, out)
	}
	for _, dir := range []string{p.home.dir, h.dir} {
		config, err := os.ReadFile(filepath.Join(dir, "tasks.git", "config"))
		if err != nil || strings.Contains(string(config), webPassword) {
			t.Errorf("%s: %v\n%s", dir, err, config)
		}
	}
	cmd = h.command("pull")
	cmd.Env = append(cmd.Env, "QME_TOKEN="+webPassword)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "certificate") {
		t.Errorf("pull from a server that nobody vouches for: %v\n%s", err, out)
	}
}
