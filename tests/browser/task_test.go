package browser

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"qme/tests/require"
)

// A pipe is what a command waits for, so that the test says when it goes on.
type pipe struct {
	path string
	file *os.File
}

// newPipe makes a pipe. It is open for reading too, so that neither side waits for the other.
func newPipe(t *testing.T) *pipe {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &pipe{path, f}
}

func (p *pipe) write(t *testing.T, text string) {
	t.Helper()
	if _, err := p.file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestOutputIsFollowed(t *testing.T) {
	h := newHome(t)
	in := newPipe(t)
	p := h.serve().open("/")
	// It prints what it reads until it reads "end".
	h.background("run", "sh", "-c", `echo begun; while read -r line; do [ "$line" = end ] && break; printf "$line"; done <"$0"; echo err >&2; exit 4`, in.path)
	p.until(row("echo begun"))
	p.execute("document.querySelector('.rows a').click()")
	p.sees("qme-output", "begun")
	p.sees("qme-output .toggle", "Following")
	in.write(t, `first\n`+"\n")
	p.has("qme-output .text", "first")
	in.write(t, `10%%`+"\n")
	p.has("qme-output .text", "10%")
	in.write(t, `\r90%%\n`+"\n")
	p.has("qme-output .text", "90%")
	p.until("!document.querySelector('qme-output .text').innerText.includes('10%')")

	// Scrolling up pauses; the button goes on at the end.
	in.write(t, strings.Repeat(`row\n`, 300)+`bottom\n`+"\n")
	p.has("qme-output .text", "bottom")
	p.execute("document.querySelector('qme-output .scroller').scrollTop = 0")
	p.until("document.querySelector('qme-output .toggle').ariaPressed === 'false'")
	in.write(t, `more\n`+"\n")
	p.has("qme-output .text", "more")
	p.until("document.querySelector('qme-output .scroller').scrollTop === 0")
	p.click("qme-output .toggle")
	p.until("(() => { const s = document.querySelector('qme-output .scroller'); return s.scrollTop + s.clientHeight >= s.scrollHeight - 1 })()")

	in.write(t, "end\n")
	p.sees(".under .outcome", "exit 4")
	p.sees("qme-output:last-child .text", "err")
	p.until("document.querySelector('qme-output .toggle').hidden")
	p.has("qme-output .text", "more")
	p.sees(".facts", "Return code")
}

func TestTaskIsRunAgainAndDeleted(t *testing.T) {
	h := newHome(t)
	h.qme("run", "sh", "-c", "date +%N; exit 3")
	p := h.serve().open("/tasks/" + h.id())
	p.sees("h1", "date +%N")
	p.click("[data-act=rerun]")
	p.sees("dialog", "date +%N")
	p.until("document.activeElement.innerText === 'Not now'")
	p.click("dialog .primary")
	p.sees("#toasts", "Running again: sh -c 'date")
	p.until("document.querySelectorAll('.timeline li').length === 2")

	p.click("qme-runs .pane-head button")
	p.sees("qme-compare h2", "Run 1 and run 2")
	p.until("document.querySelector('.line.gone')?.innerText && document.querySelector('.line.come').innerText")
	p.until("location.search === '?compare=1%2C2'")
	p.until("document.querySelector('qme-runs .plot').naturalWidth > 0")
	p.click("qme-compare .pane-head button")
	p.until("!document.querySelector('qme-compare')")

	first := h.qme("get", "@1@1", "--stdout")
	p.execute("[...document.querySelectorAll('.timeline a')].at(-1).click()")
	p.sees(".older", "This is run 1")
	p.has("qme-output .text", strings.TrimSpace(first))

	p.click("[data-act=remove]")
	p.click("dialog .danger")
	p.sees("main", "This task was deleted")
	if list := h.qme("ls"); strings.Contains(list, "date") {
		t.Errorf("it is there:\n%s", list)
	}
}

// TestRunAgainSaysWhatItReads has a task that has read a file say before it is run again that it will not.
func TestRunAgainSaysWhatItReads(t *testing.T) {
	h := newHome(t)
	input := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(input, []byte("3.8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(input)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := h.command("run", "sh", "-c", "while read r; do echo $r; done")
	cmd.Stdin = f
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	p := h.serve().open("/tasks/" + h.id())
	p.sees(".facts", "the file "+input+", 4 B")
	p.sees(".facts", "not recorded: less than qme itself needs")
	p.click("[data-act=rerun]")
	p.sees("dialog", "Its input was the file "+input+"; now it gets none.")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")
	h.qme("run", "true")
	h.background("run", "sleep", "600")
	p = h.serve().open("/overview")
	p.sees(".numbers", "of 2 are ok")
	p = h.serve().open("/")
	p.until(row("sleep 600"))
	p.execute(row("sleep 600") + ".querySelector('[aria-label=Cancel]').click()")
	p.sees("dialog", "gets SIGTERM")
	p.keys(kb.Escape)
	p.click(".head .pick input")
	p.sees(".picked", "3 selected")
	p.press("r")
	p.sees("dialog", "None of them gets any input")
}

func TestRunIsCancelledFromItsPage(t *testing.T) {
	h := newHome(t)
	p := h.serve().open("/")
	h.background("run", "sleep", "600")
	p.until(row("sleep 600"))
	p.execute("document.querySelector('.rows a').click()")
	p.click("[data-act=cancel]")
	p.click("dialog .danger")
	p.sees(".under .outcome", "cancelled")
	p.sees(".under", "Run again")
}

func TestSearchInOutputMarksAndSteps(t *testing.T) {
	h := newHome(t)
	h.qme("run", "sh", "-c", `for i in $(seq 30000); do echo "line $i"; done; printf 'n\033[31mee\033[0mdle [x]\nNEEDLE [x]\n'; echo a needle [x] >&2`)
	p := h.serve().open("/tasks/" + h.id())
	p.has("qme-output .text", "line 1")
	p.press("/")
	p.keys("needle [")
	// Also what had not been fetched, and across colours.
	p.sees(".hits", "1 of 3")
	marked := func(text string) {
		t.Helper()
		p.until("[...CSS.highlights.get('qme-hit-current')].map(String).join() === '" + text + "'")
	}
	marked("needle [")
	p.until("CSS.highlights.get('qme-hit').size > 0")
	p.keys("\r")
	p.sees(".hits", "2 of 3")
	marked("NEEDLE [")
	p.until(`(() => {
		const hit = [...CSS.highlights.get('qme-hit-current')][0].getBoundingClientRect();
		const view = document.querySelector('qme-output .scroller').getBoundingClientRect();
		return hit.height && hit.top >= view.top && hit.bottom <= view.bottom;
	})()`)
	p.keys("\r\r")
	p.sees(".hits", "1 of 3")
	p.until("location.search === '?find=needle+%5B'")
	p.visit("/tasks/" + h.id() + "?find=line+29999")
	p.sees(".hits", "1 of 1")
	marked("line 29999")
	p.click("qme-find input")
	p.keys("9")
	p.sees(".hits", "no hits")
}

func TestLongOutputIsShownPiecewise(t *testing.T) {
	h := newHome(t)
	h.qme("run", "--no-output", "sh", "-c", `yes "the quick brown fox jumps over the lazy dog, again and again" | head -c 64000000; echo; echo the end`)
	p := h.serve().open("/tasks/" + h.id())
	p.has("qme-output .text", "the quick brown fox")
	p.until("document.querySelectorAll('.chunk').length < 200") // no more than is near
	p.click("[aria-label='Go to the end']")
	p.sees("qme-output .text", "the end")
	p.sees(".cut", "Only the end is shown")
	p.click("qme-find input")
	p.keys("the end")
	p.sees(".hits", "1 of 1")
	p.until("[...CSS.highlights.get('qme-hit-current')].map(String).join() === 'the end'")
}

func TestMemoryIsDrawn(t *testing.T) {
	if runtime.GOOS != "linux" {
		require.Missing(t, "procfs", "runs are sampled on Linux only")
	}
	h := newHome(t)
	h.env = append(h.env, "QME_RUN_USAGE=20ms")
	h.qme("run", "sleep", "0.5")
	p := h.serve().open("/tasks/" + h.id())
	p.sees(".facts", "on average")
	p.until("document.querySelector('.panel-facts .plot')?.naturalWidth > 100")
	p.until("/^Memory over time: .* at most, .* on average, in [0-9]+ samples$/.test(document.querySelector('.panel-facts .plot').alt)")

	h.env = append(h.env, "QME_RUN_USAGE=0")
	h.qme("rerun")
	p.sees(".timeline", "Run 2")
	p.until("!document.querySelector('.panel-facts .plot')")
	p.click(".timeline li:last-child a")
	p.until("document.querySelector('.panel-facts .plot')?.src.includes('run=1')")
}
