package tests

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/jobs"
	"qme/tests/await"
)

// TestOneVocabulary has search, ls and the dashboard mean the same by how a run went.
func TestOneVocabulary(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	notes := jobs.New(afero.NewOsFs(), filepath.Join(h.dir, "jobs"))
	put := func(status record.Status, code int, edit ...func(*record.Record)) string {
		r := ran(t, "a\n", "")
		r.Data.Status = status
		if r.Data.ReturnCode = &code; code < 0 {
			r.Data.ReturnCode = nil
		}
		for _, e := range edit {
			e(r)
		}
		h.put(r)
		if r.Data.Job != nil && !r.Data.Job.Final {
			if err := notes.Open(r); err != nil {
				t.Fatal(err)
			}
		}
		return string(r.UID)
	}
	job := func(final bool, code int) func(*record.Record) {
		return func(r *record.Record) {
			if aJob(r, "17", "X", code, "", ""); code < 0 {
				r.Data.Job.ReturnCode = nil
			}
			r.Data.Job.Final = final
		}
	}
	// What is chosen by is the state of the job, whatever code it has.
	cancelled := func(state string, code int) func(*record.Record) {
		return func(r *record.Record) {
			job(true, code)(r)
			r.Data.Job.State = state
		}
	}
	waiting := func(state string, begun bool) func(*record.Record) {
		return func(r *record.Record) {
			job(false, -1)(r)
			if r.Data.Job.State = state; !begun {
				r.Data.Job.Started = nil
			}
		}
	}
	want := map[string][]string{
		"ok":     {put(record.Complete, 0), put(record.Complete, 0, job(true, 0))},
		"failed": {put(record.Complete, 1), put(record.Complete, 143), put(record.Complete, 0, job(true, 3))},
		"cancelled": {put(record.Cancelled, 143), put(record.Cancelled, 0), put(record.Cancelled, -1),
			put(record.Complete, 0, cancelled("CANCELLED", 143)), put(record.Complete, 0, cancelled("CANCELLED by 1000", 1)), put(record.Complete, 0, cancelled("canceled", -1))},
		"running": {put(record.Complete, 0, waiting("RUNNING", true)), put(record.Complete, 0, waiting("SUSPENDED", true)), put(record.Complete, 0, waiting("", true)), put(record.Complete, 0, job(false, -1))},
		"queued":  {put(record.Complete, 0, waiting("PENDING", false)), put(record.Complete, 0, waiting("requeue_hold", true)), put(record.Complete, 0, waiting("", false))},
		"unknown": {put(record.Complete, -1), put(record.None, -1), put(record.Complete, 0, job(true, -1))},
	}
	board := h.serve()
	await.That(t, "all tasks in the dashboard", func() bool { return len(board.tasks("")) >= 21 })
	for word, ids := range want {
		slices.Sort(ids)
		found := strings.Fields(h.must("search", "--ids", "status:"+word))
		if slices.Sort(found); !slices.Equal(found, ids) {
			t.Errorf("search status:%s finds %q, want %q", word, found, ids)
		}
		var shown []string
		for _, task := range board.tasks("?status=" + word) {
			shown = append(shown, task.ID)
		}
		if slices.Sort(shown); !slices.Equal(shown, ids) {
			t.Errorf("the dashboard shows as %s %q, want %q", word, shown, ids)
		}
	}
	same := func(word string, args ...string) {
		t.Helper()
		var listed []string
		for line := range strings.Lines(h.must(args...)) {
			r := new(record.Record)
			if err := json.Unmarshal([]byte(line), r); err != nil {
				t.Fatal(err)
			}
			listed = append(listed, string(r.UID))
		}
		if slices.Sort(listed); !slices.Equal(listed, want[word]) {
			t.Errorf("%q: %q, want those that are %s: %q", args, listed, word, want[word])
		}
	}
	for word := range want {
		same(word, "ls", "--json", "--status", word)
	}
	same("failed", "ls", "--failed", "--json")
	same("running", "ls", "--running", "--json")
	same("queued", "ls", "--queued", "--json")
	want["active"] = slices.Sorted(slices.Values(append(slices.Clone(want["running"]), want["queued"]...)))
	same("active", "ls", "--active", "--json")
	same("active", "ls", "--status", "Queued,running", "--json")
	same("active", "search", "--json", "status:active")
	same("active", "search", "--json", "running OR queued")
	want["most"] = slices.Sorted(slices.Values(append(slices.Clone(want["active"]), want["failed"]...)))
	same("most", "ls", "--active", "--failed", "--json")
	want["-active"] = slices.Sorted(slices.Values(slices.Concat(want["ok"], want["failed"], want["cancelled"], want["unknown"])))
	same("-active", "search", "--json", "--", "-status:active")
	want["complete"] = append(append([]string{want["unknown"][0], want["unknown"][2]}, want["ok"]...), want["failed"]...)
	slices.Sort(want["complete"])
	same("complete", "search", "--json", "status:complete")
	if out := h.must("ls"); strings.Count(out, " cancelled ") != len(want["cancelled"]) {
		t.Errorf("ls does not show %d tasks as cancelled:\n%s", len(want["cancelled"]), out)
	}
	for word, query := range map[string]string{"failed": "failed", "running": "running", "queued": "queued", "cancelled": "cancelled", "ok": "status:ok"} {
		same(word, "search", "--json", query)
	}
}
