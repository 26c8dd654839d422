package tests

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

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
	// Another server of this host may have set a cookie of that name, too.
	if resp, _ := b.do("GET", "/api/tasks", "", noKey, header("Cookie", cookie.Name+"=junk; "+cookie.Name+"="+cookie.Value)); resp.StatusCode != 200 {
		t.Errorf("with two cookies it answers %s", resp.Status)
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
	port := b.base[strings.LastIndexByte(b.base, ':')+1:]
	b.stop(syscall.SIGTERM)
	again := h.serve("--port", port)
	if again.key != b.key {
		t.Errorf("after a restart the key is another one")
	}
	// Whoever listened on the port meanwhile has been sent the cookie.
	if resp, body := again.do("GET", "/api/tasks", "", withCookie); resp.StatusCode != 401 {
		t.Errorf("after a restart the cookie of the server before gets %s\n%s", resp.Status, body)
	}
	if resp, _ := again.do("GET", "/?token="+b.key, "", noKey); resp.StatusCode != 303 || resp.cookies[0].Value == cookie.Value {
		t.Errorf("after a restart the address leads to %s, with the cookie of before", resp.Status)
	}
	made := strings.TrimSpace(h.must("generate-key"))
	if again := h.serve(); again.key != made || made == b.key {
		t.Errorf("generate-key printed %q, the key is %q", made, again.key)
	}
}

// TestDashboardOddKey opens the printed address, whatever characters the key has.
func TestDashboardOddKey(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, odd := range []string{"abc+", "&token=", "#", "%2B", ";", `"'<>`, "=?/@:"} {
		h.env = append(h.env, "QME_SERVER_KEY="+strings.Repeat(odd, 32/len(odd)+1))
		b := h.serve()
		if want := strings.Repeat(odd, 32/len(odd)+1); b.key != want {
			t.Errorf("the address holds the key %q, want %q", b.key, want)
		}
		resp, _ := b.do("GET", "/?token="+url.QueryEscape(b.key), "", noKey)
		if resp.StatusCode != 303 {
			t.Errorf("with the key %q the address gets %s", b.key, resp.Status)
		}
		if got := b.tasks(""); len(got) != 0 {
			t.Errorf("in a header the key %q does not open", b.key)
		}
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
		"[::1": 403, "::1]": 403, "::1": 403, "[::1]x": 403, "[localhost]": 403, "x@localhost": 403, "localhost:x": 403, "[::1]": 200, "localhost:": 200, "[127.0.0.1]": 403, "[[::1]]": 403,
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
		for _, c := range [][2]string{{"DELETE", "/api/tasks/" + id}, {"POST", "/api/tasks/" + id + "/rerun"}, {"POST", "/api/tasks/" + id + "/notes"}, {"POST", "/api/tasks/" + id + "/tags"}, {"POST", "/api/tasks/" + id + "/name"}} {
			if resp, body := b.do(c[0], c[1], `{"text": "x", "add": ["x"], "name": "x"}`, a); resp.StatusCode != 403 {
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
		{400, "GET", "/api/tasks?after=2026-11-23T09:31:00+01:00", "", "%2B"}, {400, "GET", "/api/tasks/" + strings.Repeat("0", 5000), "", "too long"},
		{400, "GET", "/api/tasks/" + id + "?run=0", "", "run"}, {404, "GET", "/api/tasks/" + id + "?run=2", "", "no run 2"}, {400, "GET", "/api/tasks/@1", "", "@1"},
		{404, "GET", "/api/tasks/" + id + "/output/stdin", "", "stdin"}, {400, "GET", "/api/tasks/" + id + "/output/stdout?style=x", "", "style"},
		{400, "GET", "/api/tasks/" + id + "/diff?a=1", "", "two runs"}, {404, "GET", "/api/tasks/" + id + "/nothing", "", "/api/openapi.json"},
		{404, "GET", "/api/nothing", "", "nothing"}, {404, "GET", "/assets/nothing.js", "", "nothing"}, {404, "GET", "/assets/%2e%2e/openapi.json", "", ""},
		{405, "PUT", "/api/tasks/" + id, "", "PUT"}, {405, "POST", "/api/info", "", "GET"}, {404, "POST", "/api/tasks/" + id + "/actions/shutdown", `{"args": []}`, "shutdown"},
		{400, "POST", "/api/tasks/clear", `{"ids": []}`, "ids"}, {400, "POST", "/api/tasks/clear", `{"ids": [""]}`, "empty"}, {400, "POST", "/api/tasks/clear", `{"id": ["x"]}`, "id"},
		{400, "POST", "/api/tasks/clear", `{`, "body"}, {400, "POST", "/api/tasks/clear", `{"ids": "x"}`, "ids is a JSON string"}, {400, "POST", "/api/tasks/clear", `[]`, "JSON array"}, {400, "POST", "/api/tasks/clear", `{"ids": ["x"]} {}`, "more"},
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
}

// TestDashboardHostile shows what wants to be more than text.
func TestDashboardHostile(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	script := `<script>alert(1)</script><img src=x onerror=alert(1)>`
	for _, out := range []string{
		script, `\033]8;;javascript:alert(1)\007link\033]8;;\007`, `\033]1337;File=inline=1;url=http://evil.example/:\007 picture`, `\033]1339;url=http://evil.example\007 link`,
		`a\033[9223372036854775807Cb`, `a\n\033[9223372036854775807Bb`, `a\033[9223372036854775807;9223372036854775807Hb`, `\033[9223372036854775807Aa\033[9223372036854775807Db\033[9223372036854775807Jc`,
		`\033_bk;t=1\007stamp`, `\342\200\256abc`, `\377\376\000\001`, `\033]0;never ended`, `\033[31;<b>m`, `\302\233 31m`,
	} {
		h.must("-q", "run", "sh", "-c", "printf '"+out+"'")
	}
	h.must("run", "--no-output", "sh", "-c", `head -c 10000000 /dev/zero | tr '\0' '<'`)
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
	b.stop(syscall.SIGTERM)
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

// TestDashboardReadOnly tries what changes something, and what only looks, on a server that is read-only.
func TestDashboardReadOnly(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "echo", "one")
	sleeping := h.start("-q", "run", "sleep", "600")
	b := h.serve("--read-only")
	eventually(t, func() bool { return len(b.tasks("?status=running")) == 1 })
	live, ended := b.tasks("?status=running")[0].ID, b.tasks("?status=ok")[0].ID
	for _, c := range [][3]string{
		{"POST", "/api/tasks/" + ended + "/rerun"}, {"POST", "/api/tasks/" + live + "/cancel"}, {"DELETE", "/api/tasks/" + ended},
		{"POST", "/api/tasks/clear", `{"ids": ["` + ended + `"]}`}, {"POST", "/api/tasks/" + live + "/actions/cancel", `{"args": []}`},
		{"POST", "/api/tasks/" + ended + "/notes", `{"text": "x"}`}, {"POST", "/api/tasks/" + ended + "/notes/000000000000", `{"text": "x"}`}, {"DELETE", "/api/tasks/" + ended + "/notes/000000000000"},
		{"POST", "/api/tasks/" + ended + "/tags", `{"add": ["x"]}`}, {"POST", "/api/tasks/" + ended + "/name", `{"name": "task"}`},
	} {
		if resp, body := b.do(c[0], c[1], c[2]); resp.StatusCode != 403 || !strings.Contains(body, `"code":"read-only"`) {
			t.Errorf("%s %s answers %s\n%s", c[0], c[1], resp.Status, body)
		}
	}
	if resp, body := b.do("POST", "/api/tasks/"+ended+"/actions/output", `{"args": []}`); resp.StatusCode != 200 || !strings.Contains(body, `"stdout":["one"]`) {
		t.Errorf("what only looks answers %s\n%s", resp.Status, body)
	}
	if got := b.tasks(""); len(got) != 2 || got[0].Outcome != "running" || got[1].Run != 1 {
		t.Errorf("the tasks are %v", got)
	}
	h.must("cancel", live)
	sleeping.wait()
}

// TestDashboardOptions gives actions options that are not offered.
func TestDashboardOptions(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	script := filepath.Join(t.TempDir(), "submit")
	program := filepath.Join(t.TempDir(), "batch")
	says := `#!/bin/sh
request=$(cat)
case $request in
*'"describe"'*) echo '{"version": 1, "actions": [{"name": "show", "summary": "s", "options": [{"name": "n", "value": "N"}, {"name": "all"}, {"name": "out", "value": "FILE"}]}]}' ;;
*'"submitted"'*) echo '{"version": 1, "job": {"id": "1"}}' ;;
*'"refresh"'*) echo '{"version": 1, "jobs": [{"job": {"id": "1", "state": "RUNNING"}}]}' ;;
*) printf '%s' "$request" | sed 's/.*"options"://; s/,"task".*//; s/}.*/}/' ;;
esac
`
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(script, "#!/bin/sh\n", 0o700)
	write(program, "#!/bin/sh\nexit 1\n", 0o700)
	write(filepath.Join(h.dir, "config.toml"), fmt.Sprintf("[executor.batch]\nmatch_program = \"submit\"\nprogram = %q\n", program), 0o600)
	h.must("-q", "run", script)
	b := h.serve()
	one := "/api/tasks/" + b.tasks("")[0].ID + "/actions"
	// A program that does not answer is asked again later.
	if _, body := b.do("GET", one, ""); strings.Contains(body, `"name":"show"`) {
		t.Fatalf("the actions are %s", body)
	}
	write(program, says, 0o700)
	h.must("-q", "rerun", "@1")
	eventually(t, func() bool { _, body := b.do("GET", one, ""); return strings.Contains(body, `"show"`) })
	if _, body := b.do("GET", one, ""); strings.Contains(body, "FILE") || !strings.Contains(body, `"value":"N"`) {
		t.Errorf("the actions are %s", body)
	}
	for args, want := range map[string]string{
		`[]`: `{"version":1`, `["--n=1"]`: `{"n":"1"}`, `["--n", "--all"]`: `{"n":"--all"}`, `["--all", "--n", "2"]`: `{"all":"true","n":"2"}`,
		`["--out", "/etc/passwd"]`: "no option", `["-out=/etc/passwd"]`: "no option", `["--n"]`: "needs a value", `["--all=1"]`: "takes no value", `["--", "x"]`: "no option", `["x"]`: "no option",
	} {
		resp, body := b.do("POST", one+"/show", `{"args": `+args+`}`)
		body = strings.NewReplacer(`&quot;`, `"`, `\u0026quot;`, `"`, `\"`, `"`, `&#34;`, `"`, `\u0026#34;`, `"`).Replace(body)
		if !strings.Contains(body, want) || (resp.StatusCode == 200) != (want[0] == '{') {
			t.Errorf("with %s it answers %s\n%s\nwant %s", args, resp.Status, body, want)
		}
	}
}
