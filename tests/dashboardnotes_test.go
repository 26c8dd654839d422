package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"qme/record"
)

// A noted is what the dashboard says that people say of a task.
type noted struct {
	Name  *record.Name
	Tags  []string
	Notes []record.Note
}

// note sends a request that changes what is said of a task, and returns what is said then.
func (b *board) note(method, path, body string) (n noted) {
	b.t.Helper()
	resp, text := b.do(method, path, body)
	if resp.StatusCode != 200 {
		b.t.Fatalf("%s %s: %s\n%s", method, path, resp.Status, text)
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		b.t.Fatalf("%v: %s", err, text)
	}
	return n
}

// TestDashboardNotes changes what is said of a task by requests, and looks at it by commands.
func TestDashboardNotes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.env = append(h.env, "MY_TOKEN=geheim-geheim")
	h.must("-q", "run", "echo", "one")
	h.must("-q", "run", "echo", "two")
	two, one := string(h.records()[0].UID), string(h.records()[1].UID)
	b := h.serve()
	at := "/api/tasks/" + one

	n := b.note("POST", at+"/notes", `{"text": "\n too hot:\ngeheim-geheim <b> \n"}`)
	if len(n.Notes) != 1 || n.Notes[0].Text != "too hot:\n[masked:MY_TOKEN] <b>" || n.Notes[0].By == "" || n.Notes[0].Edited != nil {
		t.Errorf("the notes are %+v", n)
	}
	id := n.Notes[0].ID
	if n = b.note("POST", at+"/notes/"+id, `{"text": "cold"}`); len(n.Notes) != 1 || n.Notes[0].Text != "cold" || n.Notes[0].Edited == nil {
		t.Errorf("after the change the notes are %+v", n)
	}
	edited := n.Notes[0].Edited
	if n = b.note("POST", at+"/notes/"+id, `{"text": "cold"}`); !n.Notes[0].Edited.Equal(edited.Time) {
		t.Errorf("with the same text the note is %+v", n)
	}
	b.note("POST", at+"/tags", `{"add": ["paper", "draft"]}`)
	if n = b.note("POST", at+"/tags", `{"add": ["ä\"<"], "remove": ["draft"]}`); fmt.Sprint(n.Tags) != `[paper ä"<]` {
		t.Errorf("the tags are %q", n.Tags)
	}
	if n = b.note("POST", at+"/name", `{"name": "baseline"}`); n.Name == nil || n.Name.Text != "baseline" {
		t.Errorf("the name is %+v", n.Name)
	}
	if got := h.must("tag", "baseline") + h.must("note", "baseline"); !strings.Contains(got, "paper\nä\"<\n"+id) || !strings.Contains(got, "  cold\n") {
		t.Errorf("the commands say %q", got)
	}
	if got := h.must("search", "--ids", "tag:paper cold"); strings.TrimSpace(got) != one {
		t.Errorf("it is found as %q", got)
	}

	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/api/tasks/" + two + "/name", `{"name": "baseline"}`, 409, `"detail":"task ` + one + ` has the name baseline","code":"name-taken","task":"` + one + `"`},
		{"POST", at + "/name", `{"name": "Base line"}`, 400, `a name has up to 60 small letters`},
		{"POST", at + "/tags", `{"add": ["two words"]}`, 400, `a tag has up to 60 characters`},
		{"POST", at + "/tags", `{}`, 400, `no tag`},
		{"POST", at + "/tags", `{"add": ["geheim-geheim"]}`, 409, `the value of the secret MY_TOKEN"`},
		{"POST", at + "/notes", `{"text": " "}`, 400, `empty`},
		{"POST", at + "/notes", `{"text": "` + strings.Repeat("x", record.LongestNote+1) + `"}`, 409, `keep a longer text in a file`},
		{"POST", at + "/notes/000000000000", `{"text": "x"}`, 404, `has no note`},
		{"DELETE", at + "/notes/000000000000", ``, 404, `has no note`},
		{"POST", at[:len(at)-4] + "/notes", `{"text": "x"}`, 400, `whole id`},
		{"POST", "/api/tasks/shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a/notes", `{"text": "x"}`, 404, `shell-019aaf3c-1b2c-7d3e-8f40-5b1f0c2d9e7a`},
	} {
		resp, body := b.do(c.method, c.path, c.body)
		if resp.StatusCode != c.status || !strings.Contains(body, strings.ReplaceAll(c.want, "<", `\u003c`)) {
			t.Errorf("%s %s %.60s: %s\n%s", c.method, c.path, c.body, resp.Status, body)
		}
	}

	if n = b.note("POST", "/api/tasks/"+two+"/name", `{"name": "baseline", "move": true}`); n.Name == nil {
		t.Error("the name was not moved")
	}
	if n = b.note("DELETE", at+"/notes/"+id, ""); n.Name != nil || len(n.Notes) != 0 {
		t.Errorf("in the end it is %+v", n)
	}
	if n = b.note("POST", "/api/tasks/"+two+"/name", `{"name": ""}`); n.Name != nil {
		t.Errorf("without a name it is %+v", n)
	}
	var got noted
	if b.get(at+"/notes", &got); fmt.Sprint(got.Tags) != `[paper ä"<]` || len(got.Notes) != 0 {
		t.Errorf("it is %+v", got)
	}
}

// TestDashboardNotesLive: clients hear of each change of what is said of a task, also while it is being run
// again.
func TestDashboardNotesLive(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	gate := newFIFO(t)
	first := h.start("-q", "run", "sh", "-c", "read x <"+gate)
	b := h.serve()
	e := b.listen()
	var id string
	eventually(t, func() bool {
		list := b.tasks("?status=running")
		if len(list) == 1 {
			id = list[0].ID
		}
		return len(list) == 1
	})
	hears := func(what string, wanted func(task) bool) {
		t.Helper()
		t.Log(what)
		e.until(func(m told) bool {
			return slices.ContainsFunc(m.Changed, func(c task) bool { return c.ID == id && wanted(c) })
		})
	}
	open := func() {
		t.Helper()
		if err := os.WriteFile(gate, []byte("\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
	open()
	first.wait()
	hears("the end", func(c task) bool { return c.Outcome == "ok" })
	h.must("tag", id, "+paper")
	hears("a tag", func(c task) bool { return fmt.Sprint(c.Tags) == "[paper]" })
	n := b.note("POST", "/api/tasks/"+id+"/notes", `{"text": "hot"}`)
	hears("a note", func(c task) bool { return c.Notes == 1 })
	h.must("name", id, "baseline")
	hears("a name", func(c task) bool { return c.Name == "baseline" })
	b.note("POST", "/api/tasks/"+id+"/notes/"+n.Notes[0].ID, `{"text": "cold"}`)
	hears("another text", func(c task) bool { return c.Notes == 1 })

	again := h.start("-q", "rerun", "--yes", id)
	hears("a rerun", func(c task) bool { return c.Outcome == "running" && c.Name == "baseline" && c.Notes == 1 })
	h.must("tag", id, "+late")
	hears("a tag of a rerun", func(c task) bool { return c.Outcome == "running" && fmt.Sprint(c.Tags) == "[late paper]" })
	open()
	again.wait()
	hears("its end", func(c task) bool { return c.Outcome == "ok" && fmt.Sprint(c.Tags) == "[late paper]" })

	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("+tag%03d", i)
	}
	h.must(append([]string{"tag", id}, many...)...)
	hears("many tags", func(c task) bool { return len(c.Tags) == 50 && c.MoreTags == 52 })
}
