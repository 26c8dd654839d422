package browser

import "testing"

// TestChecksAreMarked has the checks of a task between its runs, with their verdicts, and none of them to be
// compared as a run.
func TestChecksAreMarked(t *testing.T) {
	h := newHome(t)
	h.qme("run", "sh", "-c", "echo $0; exit 0", "same")
	h.qme("rerun", "--check")
	h.qme("rerun")
	h.qme("rerun", "--check")
	p := h.serve().open("/tasks/" + h.id())
	p.until("document.querySelectorAll('.timeline li').length === 4")
	p.until("document.querySelectorAll('.timeline li.check').length === 2")
	p.sees(".timeline li.check", "Check of run 2")
	p.sees(".timeline li.check .outcome", "output reproduced")
	p.until("document.querySelectorAll('.timeline input').length === 2")
	p.until("document.querySelector('.pane-head .size').innerText === '2'")
	p.click("qme-runs .pane-head button")
	p.sees("qme-compare h2", "Run 1 and run 2")
}
