package browser

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// What people do with a page that changes under their hands.

// TestRowStaysWhileItPrints has a button be the same one while the command beside it prints.
func TestRowStaysWhileItPrints(t *testing.T) {
	h := newHome(t)
	p := h.serve().open("/")
	in := newPipe(t)
	h.background("run", "sh", "-c", `while read -r line; do echo "$line"; done <"$0"; sleep 600`, in.path)
	p.until(row("sleep 600"))
	in.write(t, "line 1\n")
	p.until(row("sleep 600") + ".querySelector('.says')?.innerText.includes('line 1')")
	p.execute("window.button = " + row("sleep 600") + ".querySelector('[aria-label=Cancel]')")
	for i := range 3 {
		in.write(t, fmt.Sprintf("line %d\n", i+2))
		p.until(fmt.Sprintf("%s.querySelector('.says')?.innerText.includes('line %d')", row("sleep 600"), i+2))
	}
	h.qme("run", "echo", "another") // and while others come
	p.until(row("echo another") + "?.innerText.includes('ok')")
	p.until("button.isConnected")
	p.execute("button.click()")
	p.sees("dialog", "sleep 600")
	p.until("document.activeElement.innerText === 'Keep'")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")
	h.qme("cancel", "@2")
	p.until(row("sleep 600") + ".innerText.includes('cancelled') && !" + row("sleep 600") + ".querySelector('.says')")
}

// TestFilterPanelInUse chooses and types in the panel while the listing follows.
func TestFilterPanelInUse(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	p := h.serve().open("/")
	p.until(row("echo one"))
	p.execute("window.entries = history.length")
	p.click("qme-filter .bar > button")
	p.execute("document.querySelector('#filter-since').focus()")
	p.keys("10012026")
	p.address("/?after=2026-10-01")
	p.until("document.activeElement.id === 'filter-since' && history.length === entries + 1")
	p.click("[data-days='6']")
	p.until("document.activeElement.dataset.days === '6' && document.querySelector('#filter-since').value > '2026-10-01'")
	p.keys(kb.Escape)
	p.until("document.querySelector('.panel').hidden")
	p.execute("document.querySelector('.tag').focus()")
	p.execute("document.querySelector('.tag').click()")
	p.address("/")
	p.until("document.activeElement.innerText === 'Filter'")
}

// TestSelectionIsWhatShows deletes nothing that is out of the listing.
func TestSelectionIsWhatShows(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	h.qme("run", "sh", "-c", "exit 3")
	p := h.serve().open("/")
	p.until(row("exit 3"))
	p.click(".head .pick input")
	p.sees(".picked", "2 selected")
	h.qme("run", "echo", "two")
	p.sees(".picked", "Select all 3")
	p.until("document.querySelector('.head .pick input').indeterminate")
	p.click(".chip[data-outcome=failed]")
	p.until("document.querySelector('.picked').hidden && !document.querySelector('.head .pick input').indeterminate")
}

// TestSomeAreRefused cancels several runs of which one has ended, and asks before many are run again.
func TestSomeAreRefused(t *testing.T) {
	h := newHome(t)
	h.background("run", "sleep", "601")
	h.background("run", "sleep", "602")
	p := h.serve().open("/")
	p.excuse("409 (Conflict)")
	p.until(row("sleep 602"))
	p.until(row("sleep 601"))
	h.qme("run", "echo", "one")
	p.until(row("echo one"))
	p.click(".head .pick input")
	p.sees(".picked", "3 selected")
	p.press("r")
	p.sees("dialog", "Run 3 tasks again?")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")
	p.execute("[...document.querySelectorAll('.picked button')].find((el) => el.innerText === 'Cancel').click()")
	p.click("dialog .danger")
	p.until(row("sleep 601") + ".innerText.includes('cancelled') && " + row("sleep 602") + ".innerText.includes('cancelled')")
	p.sees("#toasts", "not running")
	if log := h.qme("log", "@1"); strings.Contains(log, "@2 ") {
		t.Errorf("it was run again:\n%s", log)
	}
}

// TestTaskPageCatchesUp has a run end while the server is away.
func TestTaskPageCatchesUp(t *testing.T) {
	h := newHome(t)
	in := newPipe(t)
	s := h.serve()
	p := s.open("/")
	for _, text := range []string{"/api/live", "/api/info", "ERR_CONNECTION_REFUSED"} {
		p.excuse(text)
	}
	run := h.background("run", "sh", "-c", `read -r line <"$0"; echo "$line"; exit 4`, in.path)
	p.until(row("exit 4"))
	p.execute(row("exit 4") + ".querySelector('a').click()")
	p.sees(".under .outcome", "running")
	s.stop()
	p.sees("#live", "Offline")
	in.write(t, "over\n")
	for run.ProcessState == nil && !strings.Contains(h.qme("ls"), " 4 ") {
	}
	s.start(s.url.Port())
	p.enter(s)
	p.sees("#live", "Live")
	p.sees(".under .outcome", "exit 4")
	p.has("qme-output .text", "over")
	p.until("!document.querySelector('[data-act=cancel]')")
}

// TestHungConnectionIsSaid has the server say nothing more, as at the other end of a frozen tunnel.
func TestHungConnectionIsSaid(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	s := h.serve()
	p := s.open("/")
	for _, text := range []string{"/api/live", "/api/info", "ERR_"} {
		p.excuse(text)
	}
	p.until(row("echo one"))
	p.sees("#live", "Live")
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The page's clock goes on by more than what it takes for silence.
	p.execute("(() => { const real = Date.now; Date.now = () => real() + 25_000; })()")
	p.sees("#live", "Offline")
	h.qme("run", "echo", "two")
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.until(row("echo two"))
	p.sees("#live", "Live")
}

// TestAllIsCopied copies output of which not all has been fetched.
func TestAllIsCopied(t *testing.T) {
	h := newHome(t)
	h.qme("run", "seq", "200000")
	p := h.serve().open("/tasks/" + h.id())
	p.has("qme-output .text", "100")
	p.execute("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
	p.click("qme-output [aria-label='Copy output']")
	p.until(`window.copied?.trim().split('\n').length === 200_000`)
	p.until(`window.copied.endsWith('200000\n')`)
}

// TestPicturesFollow has the plot of a task and those of the overview be drawn anew.
func TestPicturesFollow(t *testing.T) {
	h := newHome(t)
	h.qme("run", "true")
	h.qme("rerun", "@1")
	p := h.serve().open("/tasks/" + h.id())
	const plot = "document.querySelector('qme-runs .plot')?."
	p.until(plot + "naturalWidth")
	p.execute("window.first = " + plot + "src")
	h.qme("rerun", "@1")
	p.until("document.querySelectorAll('.timeline li').length === 3 && " + plot + "src !== first && " + plot + "naturalWidth")
	p.visit("/overview")
	p.until("document.querySelector('[data-plot=days]')?.naturalWidth")
	p.execute("window.first = document.querySelector('[data-plot=days]').src")
	h.qme("run", "true")
	p.until("document.querySelector('[data-plot=days]').src !== first")
}

// TestOddAddresses opens what nobody links to.
func TestOddAddresses(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	p := h.serve().open("/tasks/%FF")
	p.excuse("400 (Bad Request)")
	p.excuse("404 (Not Found)")
	p.sees("main", "no such task")
	p.visit("/?sort=bogus&q=one")
	p.sees("main", "asks for what is not there")
	p.execute("document.querySelector('.notice button').click()")
	p.until(row("echo one"))
	p.address("/")
}
