package tests

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/enqueue"
)

// TestDashboardDocument holds openapi.json against what is answered.
func TestDashboardDocument(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.run("-q", "run", "sh", "-c", "printf '\\033[31mred\\n'; exit 3")
	id := h.records()[0].UID
	h.must("-q", "-m", "x", "run", "echo", "one")
	other := string(h.records()[0].UID)
	h.env = append(h.env, "QME_RUN_USAGE=20ms")
	h.must("-q", "run", "sleep", "0.3")
	sampled := "/api/tasks/" + string(h.records()[0].UID)
	h.run("-q", "rerun", string(id))
	h.must("note", string(id), "x")
	var note record.Note
	if err := json.Unmarshal([]byte(h.must("note", "--json", string(id))), &note); err != nil {
		t.Fatal(err)
	}
	gate := newFIFO(t)
	h.start("-q", "run", "sh", "-c", "echo begun; read x <"+gate)
	waits := "/api/tasks/" + string(enqueue.Held(t, h.dir, "echo later", waiting.Terms{}))
	b := h.serve()
	eventually(t, func() bool { return len(b.tasks("?status=running")) == 1 })
	live := b.tasks("?status=running")[0].ID
	for _, words := range [][]string{{"ok", "success", "succeeded", "OK"}, {"complete", "succeeded&status=failed"}} {
		for _, word := range words[1:] {
			if got, want := fmt.Sprint(b.tasks("?status="+word)), fmt.Sprint(b.tasks("?status="+words[0])); got != want || got == "[]" {
				t.Errorf("status=%s finds %s, and %s %s", word, got, words[0], want)
			}
		}
	}
	d := readDocument(t, b)
	one := "/api/tasks/" + string(id)
	for _, c := range [][3]string{
		{"GET", "/api/info"}, {"GET", "/api/openapi.json"}, {"GET", "/api/tasks"}, {"GET", "/api/tasks?q=echo&sort=-duration&status=succeeded"},
		{"GET", "/api/tasks/executor/shell"}, {"GET", one}, {"GET", one + "?run=1&summary=1"}, {"GET", one + "/runs"}, {"GET", one + "/runs?limit=1"},
		{"GET", one + "/diff?a=1&b=2"}, {"GET", one + "/output/stdout"}, {"GET", "/api/tasks/" + live + "/output/stdout"}, {"GET", "/api/tasks/" + live + "/actions"},
		{"GET", one + "/raw/stdout"}, {"GET", one + "/actions"}, {"POST", one + "/actions/output", `{"args": []}`}, {"GET", one + "/plots/duration.svg"}, {"GET", sampled + "/plots/memory.svg?run=1&theme=dark"}, {"GET", one + "/plots/memory.svg"},
		{"GET", "/api/plots/days.svg?theme=dark"}, {"GET", "/api/plots/success.svg"}, {"GET", "/api/facets"}, {"GET", "/api/facets?q=echo&host=none&after=2026-11-01"}, {"GET", "/api/overview"}, {"GET", "/api/live"},
		{"GET", one + "/notes"}, {"POST", one + "/notes", `{"text": "y"}`}, {"POST", one + "/notes/" + note.ID, `{"text": "z"}`}, {"POST", one + "/tags", `{"add": ["a"]}`}, {"POST", one + "/name", `{"name": "task"}`},
		{"GET", "/api/tasks?q=tag:a"}, {"GET", one + "/notes"}, {"POST", "/api/tasks/" + other + "/name", `{"name": "task"}`}, {"POST", one + "/tags", `{"add": [" "]}`}, {"DELETE", one + "/notes/" + note.ID}, {"DELETE", one + "/notes/" + note.ID},
		{"POST", one + "/rerun"}, {"POST", "/api/tasks/" + live + "/cancel"}, {"POST", one + "/hold"}, {"GET", "/api/tasks?status=queued"}, {"POST", waits + "/hold"}, {"GET", waits + "?summary=1"},
		{"GET", waits + "/runs"}, {"GET", waits + "/output/stdout"}, {"POST", waits + "/rerun"}, {"DELETE", waits}, {"POST", waits + "/release"}, {"POST", waits + "/cancel"}, {"DELETE", "/api/tasks/" + other}, {"POST", "/api/tasks/clear", `{"ids": ["` + other + `"]}`},
		{"GET", "/api/tasks/zzz"}, {"GET", "/api/tasks?sort=x"}, {"GET", "/api/tasks?q=nofield:x"},
	} {
		resp, body := b.do(c[0], c[1], c[2])
		d.check(c[0], c[1], resp, body)
	}
	eventually(t, func() bool { return len(b.tasks("?status=running")) == 0 }) // of what has just begun there is no part
	for _, c := range []struct {
		method, path, body string
		ask                ask
		want               int
	}{
		{"POST", "/api/tasks/clear", "{}", header("Content-Type", "text/plain"), 415}, {"POST", one + "/actions/output", "{}", header("Content-Type", "text/plain"), 415},
		{"GET", one + "/raw/stdout", "", header("Range", "bytes=0-1"), 206}, {"GET", one + "/raw/stdout", "", header("Range", "bytes=99-"), 416},
		{"GET", "/api/plots/days.svg", "", header("If-None-Match", "*"), 304}, {"GET", one + "/plots/duration.svg", "", header("If-None-Match", "*"), 304},
		{"GET", one + "/raw/stdout", "", header("If-None-Match", "*"), 304},
	} {
		resp, body := b.do(c.method, c.path, c.body, c.ask)
		if resp.StatusCode != c.want {
			t.Errorf("%s %s: %s, want %d", c.method, c.path, resp.Status, c.want)
		}
		d.check(c.method, c.path, resp, body)
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
