package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qme/tests/require"
)

// pulled gives a home a task that another one has run.
func pulled(t *testing.T, to *home, cmd ...string) {
	t.Helper()
	require.Component(t, "git")
	from, hub := newHome(t), filepath.Join(t.TempDir(), "hub.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", hub).CombinedOutput(); err != nil {
		t.Fatalf("git: %v: %s", err, out)
	}
	from.must(append([]string{"-q", "run"}, cmd...)...)
	from.must("remote", hub)
	from.must("push")
	to.must("clone", hub)
}

// TestForeignRerunAtATerminal answers the question before a command that came by a pull.
func TestForeignRerunAtATerminal(t *testing.T) {
	t.Parallel()
	p := newPane(t, "git")
	pulled(t, p.home, "touch", filepath.Join(p.dir, "foreign"))
	ran := func() bool {
		_, err := os.Stat(filepath.Join(p.dir, "foreign"))
		return err == nil
	}
	if err := os.Remove(filepath.Join(p.dir, "foreign")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer string
		code   int
		ran    bool
	}{{"n", 5, false}, {"", 5, false}, {"y", 0, true}} {
		p.enter("clear; qme rerun @1")
		p.sees("Run it here, as you? [n]|y:")
		p.sees("not given in this home")
		p.sees("foreign")
		p.enter(c.answer)
		p.wantCode(c.code)
		if ran() != c.ran {
			t.Errorf("after the answer %q: it ran: %v", c.answer, ran())
		}
	}
	p.shell("qme rerun @1", 0) // it is one's own now
}

// TestForeignRerunInTheDashboard agrees to a command that came by a pull.
func TestForeignRerunInTheDashboard(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	pulled(t, h, "echo", "<b>\x1b[2J")
	b := h.serve()
	task := b.tasks("")[0]
	rerun := "/api/tasks/" + task.ID + "/rerun"
	again := func(body string, want int) (answer struct {
		Code    string
		Foreign *struct{ User, Host, Directory, Command, Digest string }
	}) {
		t.Helper()
		resp, text := b.do("POST", rerun, body)
		if resp.StatusCode != want {
			t.Fatalf("%s: %s\n%s\nwant %d", body, resp.Status, text, want)
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for _, body := range []string{"", `{}`, `{"confirm": false}`, `{"confirm": true, "digest": "0"}`} {
		got := again(body, 409)
		if got.Code != "unconfirmed" || got.Foreign == nil || got.Foreign.Command != `echo '<b>\x1b[2J'` || got.Foreign.Directory == "" {
			t.Errorf("%s: %+v %+v", body, got, got.Foreign)
		}
	}
	for _, body := range []string{`{"confirm": 1}`, `{"yes": true}`, `[]`} {
		if resp, text := b.do("POST", rerun, body); resp.StatusCode != 400 {
			t.Errorf("%s: %s\n%s", body, resp.Status, text)
		}
	}
	if now := b.tasks("")[0]; now.Run != 1 {
		t.Fatalf("it was run again: %+v", now)
	}
	digest := again("", 409).Foreign.Digest
	again(`{"confirm": true, "digest": "`+digest+`"}`, 202)
	eventually(t, func() bool { now := b.tasks("")[0]; return now.Run == 2 && now.Outcome == "ok" })
	again("", 202)
	eventually(t, func() bool { now := b.tasks("")[0]; return now.Run == 3 && now.Outcome == "ok" })
	eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(h.dir, "running", "*"))
		return err == nil && len(left) == 0
	})
}

// TestWholeIDs asks the dashboard to change something by what only fits a task.
func TestWholeIDs(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	sleep := h.command("run", "sleep", "600")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	b := h.serve()
	eventually(t, func() bool { return len(b.tasks("")) == 2 })
	running, id := b.tasks("?status=running")[0].ID, b.tasks("?status=ok")[0].ID
	uuid := strings.TrimPrefix(id, "shell-")
	for _, ref := range []string{"shell-", "shell", "s", uuid, uuid[:8], id[:len(id)-1], strings.ToUpper(id), id + "-", "@1", "@-1", id + "@1", " " + id, "", "*"} {
		body, err := json.Marshal(map[string][]string{"ids": {ref}})
		if err != nil {
			t.Fatal(err)
		}
		if resp, text := b.do("POST", "/api/tasks/clear", string(body)); resp.StatusCode != 400 {
			t.Errorf("clear %q: %s\n%s", ref, resp.Status, text)
		}
	}
	for _, ref := range []string{"shell-", "shell", "s", uuid, uuid[:8], "@1"} {
		for _, c := range [][2]string{{"DELETE", ""}, {"POST", "/rerun"}, {"POST", "/cancel"}} {
			if resp, text := b.do(c[0], "/api/tasks/"+ref+c[1], ""); resp.StatusCode != 400 {
				t.Errorf("%s %s%s: %s\n%s", c[0], ref, c[1], resp.Status, text)
			}
		}
	}
	if resp, text := b.do("POST", "/api/tasks/"+strings.TrimPrefix(running, "shell-")+"/actions/cancel", `{"args":[]}`); resp.StatusCode != 400 {
		t.Errorf("an action that alters: %s\n%s", resp.Status, text)
	}
	if left := b.tasks(""); len(left) != 2 || left[0].Run != 1 || len(b.tasks("?status=running")) != 1 {
		t.Errorf("there is %+v", left)
	}
	if resp, text := b.do("POST", "/api/tasks/"+running+"/actions/cancel", `{"args":[]}`); resp.StatusCode != 200 {
		t.Errorf("an action by the whole id: %s\n%s", resp.Status, text)
	}
	if err := sleep.Wait(); err == nil {
		t.Error("the run was not cancelled")
	}
	if resp, text := b.do("DELETE", "/api/tasks/"+id, ""); resp.StatusCode != 204 {
		t.Errorf("clear by the whole id: %s\n%s", resp.Status, text)
	}
}
