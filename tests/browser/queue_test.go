package browser

import (
	"fmt"
	"strings"
	"testing"

	"qme/tasks/waiting"
	"qme/tests/enqueue"
)

// TestQueueInTheTable has tasks that wait appear with their reasons, be held, released and taken out, in the
// table and on their own page.
func TestQueueInTheTable(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "first")
	p := h.serve().open("/")
	p.until(row("echo first"))
	one := enqueue.Held(t, h.dir, "echo one", waiting.Terms{Queue: "gpu", CPUs: 4, Memory: 1 << 30, Tries: 3})
	p.until(row("echo one") + "?.querySelector('.status').innerText === 'queued'")
	p.until(row("echo one") + "?.querySelector('.why')?.innerText.includes('held')")
	enqueue.Held(t, h.dir, "echo two", waiting.Terms{})
	p.until(row("echo two"))
	p.until("document.querySelector('.counts').innerText.includes('3 tasks')")

	p.visit("/tasks/" + string(one))
	p.sees("header .outcome", "queued")
	p.until("document.querySelector('header .why')?.innerText.includes('held')")
	p.sees(".facts", "gpu")
	p.sees(".facts", "4 CPUs, 1.0 GiB")
	p.sees(".facts", "1 of 3")
	p.sees(".right", "It waits in the queue")
	p.until("document.querySelector('.panes:last-child').hidden")
	p.click("[data-act=cancel]")
	p.click("dialog .danger")
	p.sees("header .outcome", "cancelled")
	p.until("!document.querySelector('header .why')")

	p.visit("/?status=queued")
	p.until(row("echo two"))
	p.execute(row("echo two") + ".querySelector('[aria-label=Cancel]').click()")
	p.sees("dialog", "taken out of it")
	p.click("dialog .danger")
	p.until("!" + row("echo two"))
}

// TestQueueIsHeldAndReleased has a task of a paused queue be held and released from the table and from its page,
// and run when the queue goes on, without the page being loaded again.
func TestQueueIsHeldAndReleased(t *testing.T) {
	h := newHome(t)
	h.qme("queue", "pause")
	h.qme("add", "echo", "from the queue")
	h.qme("add", "echo", "the second")
	p := h.serve().open("/")
	one := row("from the queue")
	why := func(text string) {
		t.Helper()
		p.until(fmt.Sprintf("%s?.querySelector('.why')?.innerText.includes(%q)", one, text))
	}
	why("paused")
	p.execute("window.mark = true")
	p.execute(one + ".querySelector('[aria-label=Hold]').click()")
	why("held")
	if text := h.qme("queue"); !strings.Contains(text, "held") {
		t.Errorf("the queue has\n%s", text)
	}
	p.execute(one + ".querySelector('[aria-label=Release]').click()")
	why("paused")
	h.qme("queue", "resume")
	p.until(one + "?.querySelector('.status').innerText === 'ok'")
	p.until("!" + one + ".querySelector('.why')")
	p.until(row("the second") + "?.querySelector('.status').innerText === 'ok'")
	p.until("window.mark") // it has never been loaded again

	h.qme("queue", "pause")
	h.qme("add", "echo", "the third")
	p.until(row("the third") + "?.querySelector('.status').innerText === 'queued'")
	p.execute(row("the third") + ".querySelector('.name').click()")
	p.sees(".right", "It waits in the queue")
	p.click("[data-act=hold]")
	p.until("document.querySelector('header .why')?.innerText.includes('held')")
	p.click("[data-act=release]")
	p.until("document.querySelector('header .why')?.innerText.includes('paused')")
	h.qme("queue", "resume")
	p.sees("header .outcome", "ok")
	p.sees("qme-output .text", "the third")
	p.sees(".facts", "Waited")
}
