package tests

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// put commits a record as it is.
func (h *home) put(rec *record.Record) {
	h.t.Helper()
	store, err := gitstore.Open(afero.NewOsFs(), filepath.Join(h.dir, "tasks.git"), gitstore.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = store.Commit(h.t.Context(), gitstore.Change{Verb: "run", What: rec.Command, ID: rec.UID, When: rec.Data.Timestamp.Time,
		Build: func(_ *record.Record, commit string) (*record.Record, error) {
			next := *rec
			if next.Data.Run > 1 {
				next.Data.Previous = commit
			}
			return &next, nil
		}})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// ran returns the record of a run that has printed something.
func ran(t *testing.T, out, errs string) *record.Record {
	t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	code, at := 0, record.Now()
	return &record.Record{Executor: "shell", UID: id, Command: "program", Data: record.Data{
		PWD: "/", User: "ada", Host: "login1", Timestamp: at, Finished: &at, Cmd: []string{"program"}, Status: record.Complete, ReturnCode: &code,
		Output: record.Lines(out), Error: record.Lines(errs), Terminal: &record.Terminal{Streams: []string{}}, Run: 1,
		RunID: record.NewRunID(), // several may begin in one microsecond
	}}
}

// atTerminal makes it one whose streams were a terminal.
func atTerminal(r *record.Record) *record.Record {
	r.Data.Terminal = &record.Terminal{Streams: []string{"stdin", "stdout", "stderr"}}
	r.Data.Merged = true
	return r
}

// A diffed is what "qme diff --json" prints.
type diffed struct {
	Same   bool
	Fields []struct{ Name, From, To string }
	Notes  []string
	Stdout struct {
		Name, Diff, Note string
		Same             bool
	}
	Stderr struct {
		Name, Diff, Note string
		Same             bool
	}
}

func (d diffed) field(name string) string {
	for _, f := range d.Fields {
		if f.Name == name {
			return f.From + " -> " + f.To
		}
	}
	return ""
}

// diff compares two runs of one task, and checks that two tasks and the words for people
// come to the same.
func (h *home) diff(a, b *record.Record) diffed {
	h.t.Helper()
	again := *b
	again.UID, again.Data.Run = a.UID, 2
	for _, r := range []*record.Record{a, b, &again} {
		h.put(r)
	}
	var d diffed
	out, errs, code := h.run("diff", "--json", "--exit-code", string(a.UID))
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		h.t.Fatal(err, errs)
	}
	if want := map[bool]int{true: 0, false: 1}[d.Same]; code != want {
		h.t.Errorf("diff --exit-code ended with %d, want %d\n%s%s", code, want, out, errs)
	}
	text, errs, code := h.run("diff", "--exit-code", string(a.UID)+"@1", string(b.UID))
	if strings.Contains(text, "are the same") != d.Same || (code == 0) != d.Same {
		h.t.Errorf("two tasks: %d, %v\n%s%s", code, d.Same, text, errs)
	}
	return d
}

// TestDiffOfKinds compares runs with a terminal and without by what can be compared.
func TestDiffOfKinds(t *testing.T) {
	t.Parallel()
	const asOne = "compared as one stream"
	pipe := func(r *record.Record) *record.Record { r.Data.Merged = true; return r }
	onlyOut := func(r *record.Record) *record.Record { r.Data.Terminal.Streams = []string{"stdout"}; return r }
	old := func(r *record.Record) *record.Record { r.Data.Terminal = nil; return r }
	for name, c := range map[string]struct {
		a, b *record.Record
		same bool
		note string
		diff string
	}{
		"no terminal":        {ran(t, "result\n", "warn\n"), ran(t, "result\n", "warn\n"), true, "", ""},
		"colours count":      {ran(t, "\x1b[31mresult\x1b[m\n", ""), ran(t, "result\n", ""), false, "", "+result\n"},
		"a terminal":         {ran(t, "result\n", "warn\n"), atTerminal(ran(t, "warn\r\nresult\r\n", "")), true, asOne, ""},
		"colours":            {ran(t, "result\n", "warn\n"), atTerminal(ran(t, "\x1b[1mresult\x1b[m\r\n10%\r100%\r\nwarn\r\n", "")), false, asOne, "+10%\n+100%\n"},
		"only colours":       {ran(t, "a\nresult\nb\n", "warn\n"), atTerminal(ran(t, "a\r\n\x1b[1mresult\x1b[m\r\nwarn\r\nb\r\n", "")), true, asOne, ""},
		"another line":       {atTerminal(ran(t, "result 2\r\nwarn\r\n", "")), ran(t, "result\n", "warn\n"), false, asOne, "-result 2\n"},
		"another order":      {ran(t, "a\nb\n", "c\n"), atTerminal(ran(t, "b\r\nc\r\na\r\n", "")), false, asOne, "\n"},
		"a line more":        {ran(t, "a\n", ""), atTerminal(ran(t, "a\r\na\r\n", "")), false, asOne, "+a\n"},
		"nothing":            {ran(t, "", ""), atTerminal(ran(t, "", "")), true, asOne, ""},
		"only errors":        {ran(t, "", "warn\n"), atTerminal(ran(t, "warn\r\n", "")), true, asOne, ""},
		"two terminals":      {atTerminal(ran(t, "a\r\n", "")), atTerminal(ran(t, "\x1b[ma\r\n", "")), false, "", "+"},
		"one pipe":           {pipe(ran(t, "b\na\n", "")), ran(t, "a\n", "b\n"), true, asOne, ""},
		"one pipe, terminal": {pipe(ran(t, "a\nb\n", "")), atTerminal(ran(t, "a\r\n\x1b[33mb\r\n", "")), true, "compared as text", ""},
		"output of terminal": {ran(t, "a\n", "b\n"), onlyOut(ran(t, "\x1b[ma\r\n", "b\n")), true, "compared as text", ""},
		"binary":             {ran(t, "a\n", "b\n"), atTerminal(ran(t, "a\r\nb\r\n\ufffd", "")), false, asOne, "+"},
		"old":                {old(ran(t, "a\n", "b\n")), old(ran(t, "a\r\nb\r\n", "")), false, "was not recorded", "-a\n"},
		"old and new":        {old(ran(t, "a\n", "b\n")), atTerminal(ran(t, "a\r\nb\r\n", "")), false, "was not recorded", "-a\n"},
		"old and the same":   {old(ran(t, "a\n", "b\n")), ran(t, "a\n", "b\n"), true, "", ""},
		"old, another line":  {old(ran(t, "a\n", "")), old(ran(t, "b\n", "")), false, "", "+b\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newHome(t).diff(c.a, c.b)
			if d.Same != c.same || !strings.Contains(strings.Join(d.Notes, "\n"), c.note) || (c.note == "") != (len(d.Notes) == 0) || !strings.Contains(d.Stdout.Diff, c.diff) {
				t.Errorf("%+v", d)
			}
			if !c.same && strings.Contains(d.Stdout.Diff, "\x1b") && c.note == asOne {
				t.Errorf("colours are shown: %+v", d)
			}
		})
	}
}

// TestDiffOfLong compares output that is too long to be looked at by its checksum.
func TestDiffOfLong(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const line = "seq 700000" // more than 4 MiB
	var ids []string
	for range 2 {
		h.must("-q", "run", line)
		ids = append(ids, string(h.records()[0].UID))
	}
	h.change(ids[0], func(all map[string]any) {
		all["data"].(map[string]any)["terminal"] = map[string]any{"streams": []any{}}
	})
	h.change(ids[1], func(all map[string]any) {
		data := all["data"].(map[string]any)
		data["merged"], data["terminal"] = true, map[string]any{"streams": []any{"stdin", "stdout", "stderr"}}
	})
	if text, errs, code := h.run("diff", "--exit-code", ids[0], ids[1]); code != 0 || !strings.Contains(text, "are the same") {
		t.Errorf("the same: %d\n%s%s", code, text, errs)
	}
	h.change(ids[0], func(all map[string]any) { all["data"].(map[string]any)["error"] = []any{"warning\n"} })
	if text, errs, code := h.run("diff", "--exit-code", ids[1], ids[0]); code != 1 || !strings.Contains(text, "too long to be compared") {
		t.Errorf("with a warning: %d\n%s%s", code, text, errs)
	}
}

// TestDiffOfFields shows where input came from, and what nobody took down.
func TestDiffOfFields(t *testing.T) {
	t.Parallel()
	a, b := ran(t, "a\n", ""), ran(t, "a\n", "")
	a.Data.Stdin, b.Data.Stdin = &record.Stdin{Kind: "pipe"}, &record.Stdin{Kind: "file", Path: "/data/in.csv", Size: 12}
	d := newHome(t).diff(a, b)
	if got := d.field("stdin"); got != "pipe -> file /data/in.csv of 12 bytes" || !d.Same {
		t.Errorf("%q: %+v", got, d)
	}
	a, b = ran(t, "a\n", ""), ran(t, "a\n", "")
	b.Data.Stdin, b.Data.Terminal = &record.Stdin{Kind: "null"}, nil
	d = newHome(t).diff(a, b)
	if got := d.field("stdin") + ", " + d.field("terminal"); got != "not recorded -> null, none -> not recorded" || !d.Same {
		t.Errorf("%q: %+v", got, d)
	}
	a, b = atTerminal(ran(t, "a\n", "")), atTerminal(ran(t, "a\n", ""))
	a.Data.Terminal.Columns, a.Data.Terminal.Rows, a.Data.Terminal.Name = 80, 24, "xterm"
	d = newHome(t).diff(a, b)
	if got := d.field("terminal.size") + ", " + d.field("terminal.term"); got != "80 by 24 -> not recorded, xterm -> " || !d.Same {
		t.Errorf("%q: %+v", got, d)
	}
	a, b = ran(t, "a\n", ""), ran(t, "a\n", "")
	for _, r := range []*record.Record{a, b} { // whoever was to see their end was killed
		r.Data.Status, r.Data.ReturnCode = record.Cancelled, nil
	}
	if d = newHome(t).diff(a, b); d.Same || len(d.Notes) != 2 {
		t.Errorf("without a return code: %+v", d)
	}
}

// aJob makes a run the submission of a job.
func aJob(r *record.Record, number, state string, code int, out, errs string) *record.Record {
	at := r.Data.Timestamp
	r.Data.Output, r.Data.Duration = []string{"Submitted batch job " + number + "\n"}, 0.01*float64(len(number))
	r.Data.Job = &record.Job{ID: number, State: state, Final: state != "RUNNING", ReturnCode: &code, Started: &at, Elapsed: 60, CPUs: 4, Nodes: "n1", MaxRSS: 1 << 20,
		Output: record.Lines(out), Error: record.Lines(errs), StdoutFile: "/w/slurm-" + number + ".out", StderrFile: "/w/slurm-" + number + ".err"}
	return r
}

// TestDiffOfJobs compares jobs by their state, return code, resources and output.
func TestDiffOfJobs(t *testing.T) {
	t.Parallel()
	job := func(number, state string, code int, out, errs string, edit ...func(*record.Job)) *record.Record {
		r := aJob(ran(t, "", ""), number, state, code, out, errs)
		for _, e := range edit {
			e(r.Data.Job)
		}
		return r
	}
	oneFile := func(j *record.Job) { j.StderrFile = j.StdoutFile }
	lost := func(j *record.Job) { j.OutputError = "the file was removed" }
	for name, c := range map[string]struct {
		a, b   *record.Record
		same   bool
		fields []string
		stdout string
	}{
		"the same":      {job("103", "COMPLETED", 0, "result\n", ""), job("1004", "COMPLETED", 0, "result\n", ""), true, nil, ""},
		"state":         {job("103", "COMPLETED", 0, "result\n", ""), job("104", "FAILED", 3, "result\n", ""), false, []string{"job.state: COMPLETED -> FAILED", "job.returncode: 0 -> 3"}, ""},
		"output":        {job("103", "COMPLETED", 0, "result\n", ""), job("104", "COMPLETED", 0, "other\n", ""), false, nil, "+other\n"},
		"error output":  {job("103", "COMPLETED", 0, "a\n", "b\n"), job("104", "COMPLETED", 0, "a\n", "c\n"), false, nil, ""},
		"one file":      {job("103", "COMPLETED", 0, "a\nb\n", "", oneFile), job("104", "COMPLETED", 0, "a\n", "b\n"), true, nil, ""},
		"goes on":       {job("103", "RUNNING", 0, "", ""), job("104", "RUNNING", 0, "", ""), false, nil, ""},
		"output lost":   {job("103", "COMPLETED", 0, "", "", lost), job("104", "COMPLETED", 0, "", "", lost), false, nil, ""},
		"of no job":     {job("103", "COMPLETED", 0, "", ""), ran(t, "Submitted batch job 103\n", ""), false, []string{"job.state: COMPLETED -> "}, ""},
		"resources":     {job("103", "COMPLETED", 0, "", ""), job("104", "COMPLETED", 0, "", "", func(j *record.Job) { j.Nodes, j.CPUs, j.Elapsed, j.MaxRSS = "n2", 8, 90.5, 1<<21 }), true, []string{"job.nodes: n1 -> n2", "job.cpus: 4 -> 8", "job.elapsed: 1m0s -> 1m30.5s", "job.max_rss: 1048576 -> 2097152"}, ""},
		"array element": {job("103", "FAILED", 1, "", "", elements(0, 1)), job("104", "FAILED", 1, "", "", elements(1, 1)), false, []string{"job.elements: 1 COMPLETED 0, 1 FAILED 1 -> 2 FAILED 1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newHome(t).diff(c.a, c.b)
			if d.Same != c.same || !strings.Contains(d.Stdout.Diff, c.stdout) || c.stdout == "" && d.Stdout.Diff != "" && c.b.Data.Job != nil {
				t.Errorf("%+v", d)
			}
			if d.field("duration") != "" && c.b.Data.Job != nil {
				t.Errorf("how long the submission took is shown: %+v", d)
			}
			for _, f := range c.fields {
				if name, value, _ := strings.Cut(f, ": "); d.field(name) != value {
					t.Errorf("%s: %q, want %q", name, d.field(name), value)
				}
			}
		})
	}
}

func elements(codes ...int) func(*record.Job) {
	return func(j *record.Job) {
		for _, code := range codes {
			state := map[bool]string{true: "COMPLETED", false: "FAILED"}[code == 0]
			j.Elements = append(j.Elements, record.JobElement{ID: "1", State: state, Final: true, ReturnCode: &code})
		}
	}
}

// TestDiffOfOne has nothing to compare be told apart from what differs, and from no task.
func TestDiffOfOne(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.must("-q", "run", "true")
	for _, args := range [][]string{{"diff"}, {"diff", "--exit-code"}, {"diff", "--json", "@1"}, {"diff", "@1@1"}} {
		if out, errs, code := h.run(args...); code != 5 || out != "" || !strings.Contains(errs, "nothing to compare") {
			t.Errorf("%q: %d\n%s%s", args, code, out, errs)
		}
	}
	if _, errs, code := h.run("diff", "--exit-code", "ffff"); code != 3 {
		t.Errorf("no such task: %d, %s", code, errs)
	}
	if _, errs, code := h.run("diff", "--exit-code", "@1", "@1"); code != 0 {
		t.Errorf("a run and itself: %d, %s", code, errs)
	}
}
