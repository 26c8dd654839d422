package browser

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"qme/tests/require"
)

// TestForeignCommandsAreAskedAbout runs tasks again that came by a pull, one and several.
func TestForeignCommandsAreAskedAbout(t *testing.T) {
	require.Component(t, "git")
	from, h := newHome(t), newHome(t)
	hub := filepath.Join(t.TempDir(), "hub.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", hub).CombinedOutput(); err != nil {
		t.Fatalf("git: %v: %s", err, out)
	}
	from.qme("run", "echo", "one <b>\x1b[2J")
	from.qme("run", "echo", "two")
	from.qme("remote", hub)
	from.qme("push")
	h.qme("clone", hub)
	p := h.serve().open("/")
	p.excuse("409 (Conflict)")

	again := row("one") + ".querySelector('[aria-label=\"Run again\"]').click()"
	p.until(row("one"))
	p.execute(again)
	p.sees("dialog", "Run this task again?")
	p.click("dialog .primary")
	p.sees("dialog", "Run a command that was not given here?")
	p.sees("dialog code", `echo 'one <b>\x1b[2J'`)
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")

	// Of several, the first no is one for all.
	p.click(".head .pick input")
	p.sees(".picked", "2 selected")
	p.press("r")
	p.sees("dialog", "Run 2 tasks again?")
	p.click("dialog .primary")
	p.sees("dialog", "Run a command that was not given here?")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")
	for _, task := range []string{"@1", "@2"} {
		if log := h.qme("log", task); strings.Contains(log, "@2 ") {
			t.Errorf("it was run again:\n%s", log)
		}
	}

	p.execute(again)
	p.click("dialog .primary")
	p.click("dialog .danger")
	p.until(row("one") + ".innerText.includes('×2')")
	p.until(row("one") + ".innerText.includes('ok')")
	p.until("!document.querySelector('dialog')")
	p.execute(again) // it is one's own now
	p.click("dialog .primary")
	p.until(row("one") + ".innerText.includes('×3')")
}
