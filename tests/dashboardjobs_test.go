package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
