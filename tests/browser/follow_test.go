package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// scroller is the part of the page that shows what a task prints.
const scroller = "document.querySelector('qme-output .scroller')"

const atEnd = scroller + ".scrollHeight - " + scroller + ".scrollTop - " + scroller + ".clientHeight < 4"

// TestLongLogIsFollowed watches a run that has printed more lines than are kept, and prints on, to its
// end; the reader stays where he is when he looks back.
func TestLongLogIsFollowed(t *testing.T) {
	h := newHome(t)
	in := newPipe(t)
	p := h.serve().open("/")
	// Each line that it reads is how many it prints.
	h.background("run", "sh", "-c", `n=0; while read -r more; do seq -f "line %.0f" $((n + 1)) $((n + more)); n=$((n + more)); done <"$0"`, in.path)
	p.until(row("seq"))
	p.execute("document.querySelector('.rows a').click()")
	p.sees("qme-output .toggle", "Following")
	printed := 0
	prints := func(n int) {
		t.Helper()
		in.write(t, fmt.Sprintf("%d\n", n))
		printed += n
		p.has("qme-output .text .chunk:last-child", fmt.Sprintf("line %d", printed))
	}
	for _, n := range []int{20000, 20000, 20000, 1, 300, 20000, 7} {
		prints(n)
		p.until(atEnd)
	}
	p.sees("qme-output .toggle", "Following")
	p.sees(".cut", "are not shown any more")
	p.until("document.querySelectorAll('.chunk').length < 260")

	// Whoever looks back reads on where he is.
	p.execute(scroller + ".scrollTop -= 3000")
	p.until("document.querySelector('qme-output .toggle').ariaPressed === 'false'")
	p.execute(`window.reading = () => {
		const { top } = document.querySelector('qme-output .scroller').getBoundingClientRect();
		const chunk = [...document.querySelectorAll('.chunk')].find((one) => one.getBoundingClientRect().bottom > top);
		return chunk.textContent.slice(0, 40) + Math.round(chunk.getBoundingClientRect().top - top);
	}; window.before = reading()`)
	for range 3 {
		prints(2000)
	}
	p.until("reading() === before")
	p.until("document.querySelector('qme-output .toggle').ariaPressed === 'false'")
	p.click("qme-output .toggle")
	p.until(atEnd)
	prints(500)
	p.until(atEnd)
}

// TestLongLogIsOpened opens the page of a run that has printed more lines than are kept.
func TestLongLogIsOpened(t *testing.T) {
	h := newHome(t)
	in := newPipe(t)
	p := h.serve().open("/")
	h.background("run", "sh", "-c", `seq 120000; while read -r line; do echo "$line"; done <"$0"`, in.path)
	p.until(row("seq 120000") + "?.querySelector('.says')?.innerText.includes('120000')")
	p.execute("document.querySelector('.rows a').click()")
	p.has("qme-output .text .chunk:last-child", "120000")
	for i := range 5 {
		in.write(t, fmt.Sprintf("tick %d\n", i))
		p.has("qme-output .text .chunk:last-child", fmt.Sprintf("tick %d", i))
		p.sees("qme-output .toggle", "Following")
		p.until(atEnd)
	}
}

// TestWatchIsTakenUp has the connection go and come: what is there stays, with the place of the reader,
// and goes on from there, also for one who has looked back.
func TestWatchIsTakenUp(t *testing.T) {
	h := newHome(t)
	in := newPipe(t)
	s := h.serve()
	p := s.open("/")
	for _, text := range []string{"/api/", "ERR_CONNECTION_REFUSED"} {
		p.excuse(text)
	}
	h.background("run", "sh", "-c", `seq -f "line %.0f is one of several thousand that stand above what comes" 6000; printf '\033[32mhalf '; while read -r line; do printf "$line"; done <"$0"; exit 3`, in.path)
	p.until(row("seq"))
	p.execute("document.querySelector('.rows a').click()")
	p.has("qme-output .text .chunk:last-child", "half")
	in.write(t, `10%%`+"\n")
	p.has("qme-output .text .chunk:last-child", "half 10%")
	p.execute("window.first = document.querySelector('.chunk')")
	lines := "document.querySelector('qme-output .text').textContent.trimEnd().split('\\n')"
	again := func() {
		t.Helper()
		s.stop()
		p.sees("#live", "Offline")
		in.write(t, `\rhalf 20%%`+"\n")
		s.start(s.url.Port())
		p.enter(s)
		p.sees("#live", "Live")
	}
	again()
	p.has("qme-output .text .chunk:last-child", "half 20%")
	p.until(lines + ".length === 6001 && " + lines + ".at(-1) === 'half 20%'")
	p.until("document.querySelector('.chunk:last-child span').className === 'term-fg32'")
	p.until(atEnd)

	p.execute(scroller + ".scrollTop -= 5000")
	p.until("document.querySelector('qme-output .toggle').ariaPressed === 'false'")
	p.execute("window.y = " + scroller + ".scrollTop")
	again()
	in.write(t, `\nmore\n`+"\n")
	p.has("qme-output .text .chunk:last-child", "more")
	p.until(lines + ".length === 6002 && " + lines + "[0].startsWith('line 1 ')")
	p.until(scroller + ".scrollTop === y && first.isConnected")
	p.until("document.querySelector('qme-output .toggle').ariaPressed === 'false'")
}

// TestKeysActOnWhatIsMarked presses keys where no row is seen to be the one: nothing is run.
func TestKeysActOnWhatIsMarked(t *testing.T) {
	h := newHome(t)
	for _, word := range []string{"alpha", "beta"} {
		h.qme("run", "echo", word)
	}
	p := h.serve().open("/")
	p.until(row("alpha"))
	p.execute("window.posts = 0; window.real = fetch; window.fetch = (path, init) => { posts += init?.method === 'POST' ? 1 : 0; return real(path, init); }")
	p.press("r")
	p.until("document.querySelector('.grid:focus .row.active')?.innerText.includes('beta') && !document.querySelector('dialog')")
	p.execute("document.activeElement.blur()")
	p.press("x")
	p.until("document.querySelector('.picked').hidden && document.querySelector('.grid:focus')")
	// Now it is seen which one it is; whoever types on agrees to nothing.
	p.press("r")
	p.sees("dialog code", "echo beta")
	p.do(chromedp.KeyEvent("m -f y"))
	p.until("!document.querySelector('dialog')")
	p.press("j")
	p.press("r")
	p.sees("dialog code", "echo alpha")
	p.keys(kb.Enter)
	p.until("!document.querySelector('dialog')")
	p.press("x")
	p.sees(".picked", "1 selected")
	p.execute("document.activeElement.blur()")
	p.press("r")
	p.sees("dialog code", "echo alpha")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")
	p.visit("/tasks/" + h.id())
	p.sees("h1", "echo")
	p.execute("window.posts = 0; window.real = fetch; window.fetch = (path, init) => { posts += init?.method === 'POST' ? 1 : 0; return real(path, init); }")
	p.press("r")
	p.sees("dialog code", "echo beta")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog') && posts === 0")
	if log := h.qme("log", h.id()); strings.Contains(log, "@2 ") {
		t.Errorf("it was run again:\n%s", log)
	}
}
