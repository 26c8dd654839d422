package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestNotesOfTask writes, changes and removes what is said of a task, which another client sees at once.
func TestNotesOfTask(t *testing.T) {
	h := newHome(t)
	h.env = append(h.env, "MY_TOKEN=geheim-geheim")
	h.qme("run", "echo", "other")
	other := h.id()
	h.qme("name", other, "baseline")
	h.qme("run", "echo", "one")
	id := h.id()
	s := h.serve()
	p, second := s.open("/tasks/"+id), s.open("/tasks/"+id)
	p.excuse("409 (Conflict)")
	p.excuse("400 (Bad Request)")
	p.excuse("404 (Not Found)")
	second.sees("qme-notes", "Give it a name")

	p.click(".note-form textarea")
	p.keys("too hot:\rgeheim-geheim <b>")
	second.execute("document.querySelector('.tag-form input').value = 'half'") // what is being written stays
	p.click(".note-form button")
	second.sees(".note-text", "too hot:\n[masked:MY_TOKEN] <b>")
	p.sees(".note-foot", "tester")
	p.until("document.querySelector('.note-form textarea').value === ''")
	second.until("document.querySelector('.tag-form input').value === 'half'")
	p.click("[aria-label='Edit this note']")
	p.until("document.activeElement.matches('.edit-form textarea')")
	p.keys(kb.End + " again")
	h.qme("note", id, "from elsewhere")
	p.sees(".notes", "from elsewhere")
	p.until("document.activeElement.matches('.edit-form textarea')")
	p.click(".edit-form button")
	second.sees(".notes", "edited")
	p.until("document.activeElement.ariaLabel === 'Edit this note'")
	if notes := h.qme("note", id); !strings.Contains(notes, "again") || !strings.Contains(notes, "from elsewhere") {
		t.Errorf("the notes are\n%s", notes)
	}

	p.click(".tag-form input")
	p.keys("paper\r")
	p.sees("qme-notes .labels", "paper")
	p.keys("draft\r")
	second.sees("qme-notes .labels", "paper")
	second.sees("qme-notes .labels", "draft")
	p.keys("two words\r")
	p.sees("qme-notes .problem", "a tag has up to 60 characters")
	p.execute("document.querySelector('.tag-form input').value = 'geheim-geheim'")
	p.click(".tag-form button")
	p.sees("qme-notes .problem", "a tag or name has the value of the secret MY_TOKEN")
	p.click("[aria-label='Remove the tag draft']")
	second.until("!document.querySelector('qme-notes .labels').innerText.includes('draft')")
	p.until("document.activeElement.ariaLabel === 'Remove the tag paper'")
	p.until("document.querySelector('qme-notes .problem').innerText === ''")

	p.execute("document.querySelector('[data-key=name]').click()")
	p.keys("Base line\r")
	p.sees("qme-notes .problem", "a name has up to 60 small letters")
	p.execute("document.querySelector('.name-form input').select()")
	p.keys("baseline\r")
	p.sees("dialog", "task "+other+" has the name baseline")
	p.click("dialog .primary")
	second.sees("qme-notes .called", "baseline")
	if name := h.qme("name", other); name != "" {
		t.Errorf("the other one is named %s", name)
	}
	p.until("document.activeElement.ariaLabel === 'Change the name'")
	p.click("[aria-label='Remove the name']")
	second.sees("qme-notes", "Give it a name")

	p.click("[aria-label='Remove this note']")
	p.sees("dialog", "earlier versions")
	p.click("dialog .danger")
	second.until("document.querySelectorAll('.notes li').length === 1")

	// It is gone in the meantime.
	p.click("[aria-label='Edit this note']")
	p.keys("more")
	h.qme("note", id, "--remove", strings.Fields(h.qme("note", id))[0])
	second.until("document.querySelectorAll('.notes li').length === 0")
	p.keys(kb.End)
	p.click(".edit-form button")
	p.sees("qme-notes .problem", "has no note")
	p.until("document.querySelector('.edit-form textarea').value.includes('more')")
	p.keys(kb.Escape)
	p.until("!document.querySelector('.edit-form')")
}

// TestTagsInTable has tags in the table, which filter.
func TestTagsInTable(t *testing.T) {
	h := newHome(t)
	var ids []string
	for _, word := range []string{"one", "two", "three"} {
		h.qme("run", "echo", word)
		ids = append(ids, h.id())
	}
	p := h.serve().open("/?q=echo")
	p.until(row("echo three"))
	h.qme("tag", ids[0], ids[2], "+paper", `+o"d|d`)
	h.qme("name", ids[0], "baseline")
	p.until(row("echo one") + ".innerText.includes('paper')")
	p.until(row("echo one") + ".querySelector('.called')?.innerText === 'baseline'")
	p.execute(row("echo one") + ".querySelector('[data-tag=paper]').click()")
	p.address("/?q=echo+tag%3Apaper")
	p.until("!" + row("echo two") + " && " + row("echo one") + " && " + row("echo three"))
	p.execute(row("echo one") + `.querySelector('[data-tag^="o"]').click()`)
	p.until("!" + row("echo two") + " && " + row("echo one") + " && " + row("echo three"))
	h.qme("tag", ids[0], "--remove", "paper")
	p.until("!" + row("echo one") + " && " + row("echo three"))
	h.qme("tag", ids[1], "+paper", `+o"d|d`)
	p.until(row("echo two"))
	p.visit("/tasks/" + ids[1])
	p.click(".tagged .label[data-tag=paper]")
	p.address("/?q=tag%3Apaper")
	p.until(row("echo three") + " && " + fmt.Sprintf("document.querySelectorAll('.rows .row').length === %d", 2))
}
