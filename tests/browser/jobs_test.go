package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A batch is a scheduler that says of its only job what a file holds.
type batch struct {
	t   *testing.T
	dir string
}

// newBatch gives a home two executors: batch by configuration, and by program one whose action
// has options.
func (h *home) newBatch(t *testing.T) *batch {
	t.Helper()
	b := &batch{t, t.TempDir()}
	b.write("submit", "#!/bin/sh\necho submitted 42\n")
	b.write("greet", "#!/bin/sh\n")
	b.write("program", `#!/bin/sh
read request
case $request in
*'"method":"describe"'*) echo '{"version": 1, "actions": [{"name": "tell", "summary": "print what it was given", "options": [{"name": "loud", "usage": "in capitals"}, {"name": "to", "value": "NAME", "usage": "whom"}]}]}' ;;
*'"method":"act"'*) printf '%s\n' "$request" | sed 's/.*"options"/options/' ;;
*) echo '{"version": 1}' ;;
esac
`)
	for _, name := range []string{"submit", "greet", "program"} {
		if err := os.Chmod(filepath.Join(b.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	config := strings.ReplaceAll(`
[executor.batch]
match_program = "submit"
capture = ['^submitted (?P<id>\d+)$']
[executor.batch.refresh]
cmd = ["cat", "DIR/state"]
capture = ['^state (?P<state>\w+)$', '^started (?P<started>\d+)$', '^code (?P<returncode>\d+)$', '^elapsed (?P<elapsed>\d+)$']
final = ["FAILED", "CANCELLED"]
unknown = '\Anone'
[executor.batch.actions.output]
cmd = ["cat", "DIR/output"]
[executor.batch.actions.cancel]
cmd = ["sh", "-c", 'printf "state CANCELLED\ncode 143\n" >"$1"', "sh", "DIR/state"]
alters = true
[executor.greet]
program = "DIR/program"
match_program = "greet"
`, "DIR", b.dir)
	if err := os.WriteFile(filepath.Join(h.dir, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *batch) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// TestJobIsFollowed has a job that waits, runs and fails: nobody asks for it but the server, by
// the page's button, and qme refresh elsewhere.
func TestJobIsFollowed(t *testing.T) {
	h := newHome(t)
	b := h.newBatch(t)
	b.write("state", "state QUEUED\n")
	h.qme("run", filepath.Join(b.dir, "submit"))
	b.write("state", "state PENDING\n")
	p := h.serve().open("/")
	const status = "document.querySelector('.rows .status .outcome')"
	p.sees(".rows .status", "pending") // the server has asked
	p.until(status + ".dataset.outcome === 'queued'")
	p.until("document.querySelector('.rows .duration').innerText.trim() === ''")

	p.visit("/tasks/" + h.id())
	p.sees(".under .outcome", "pending")
	p.until("document.querySelector('.under .took').innerText === ''")
	b.write("state", "state RUNNING\nstarted 1767225600\n")
	const ask = "[...document.querySelectorAll('qme-actions button')].find((el) => el.innerText === 'status')"
	p.until(ask)
	p.execute(ask + ".click()")
	p.sees(".result", `"state":"RUNNING"`)
	p.sees(".under .outcome", "running")
	p.until(`/^\d+d /.test(document.querySelector('.under .took').innerText)`)
	p.until("!document.querySelector('qme-output[data-stream=job-stdout]')")

	b.write("output", "\x1b[31mepoch 1\x1b[0m\n"+hostile+"\n")
	b.write("state", "state FAILED\ncode 3\nelapsed 3723\n")
	h.qme("refresh")
	p.sees(".under .outcome", "failed 3")
	p.sees(".under .took", "1h 02m")
	p.sees("qme-slurm .pane-head", "Job")
	p.sees("qme-slurm .states", "queued")
	p.sees("qme-output[data-stream=job-stdout] h2", "Output of the job")
	p.sees("qme-output[data-stream=job-stdout] .term-fg31", "epoch 1")
	p.sees("qme-output[data-stream=job-stdout] .text", "<script>")
	p.sees(".panes:last-child qme-output .text", "submitted 42")
	p.click("qme-find input")
	p.keys("epoch")
	p.sees(".hits", "1 of 1")
	p.until("window.pwned === undefined")
	p.picture("job")
	p.visit("/")
	p.sees(".rows .status", "failed 3")
	p.sees(".rows .duration", "1h 02m")
}

func TestJobIsCancelledFromItsPage(t *testing.T) {
	h := newHome(t)
	b := h.newBatch(t)
	b.write("state", "state RUNNING\nstarted 1767225600\n")
	h.qme("run", filepath.Join(b.dir, "submit"))
	p := h.serve().open("/tasks/" + h.id())
	p.sees(".under .outcome", "running")
	b.write("output", "so far\n")
	p.click("[data-act=cancel]")
	p.click("dialog .danger")
	p.until(`document.querySelector(".under .outcome[data-outcome=cancelled]")?.textContent === "cancelled"`)
	p.sees("qme-output[data-stream=job-stdout] .text", "so far")
	p.sees(".under", "Run again")
}

func TestReadOnlyLeavesWhatLooks(t *testing.T) {
	h := newHome(t)
	b := h.newBatch(t)
	b.write("state", "state RUNNING\nstarted 1767225600\n")
	b.write("output", "epoch 1\n")
	h.qme("run", filepath.Join(b.dir, "submit"))
	p := h.serve("--read-only").open("/tasks/" + h.id())
	named := func(name string) string {
		return fmt.Sprintf("[...document.querySelectorAll('qme-actions button')].find((el) => el.innerText === '%s')", name)
	}
	p.until(named("cancel") + "?.disabled")
	p.until(named("output") + "?.disabled === false")
	p.execute(named("output") + ".click()")
	p.sees(".result", "epoch 1")
}

func TestActionTakesOptions(t *testing.T) {
	h := newHome(t)
	b := h.newBatch(t)
	h.qme("run", filepath.Join(b.dir, "greet"))
	p := h.serve().open("/tasks/" + h.id())
	const tell = "[...document.querySelectorAll('qme-actions button')].find((el) => el.innerText === 'tell')"
	p.until(tell)
	p.execute(tell + ".click()")
	p.has(".options", "--loud in capitals")
	p.click(".options input[type=text]")
	p.keys("--a b=c ü")
	p.click(".options input[type=checkbox]")
	p.click(".options .primary")
	p.sees(".result", `options:{"loud":"true","to":"--a b=c ü"}`)
	p.sees(".result .outcome", "ok")
	p.execute(tell + ".click()")
	p.click(".options .primary")
	p.until(fmt.Sprintf("!document.querySelector('.result').innerText.includes(%q)", "loud"))
	p.sees(".result .outcome", "ok")
}
