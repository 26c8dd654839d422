package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"qme/tests/genhistory/history"
)

// row finds the row of the command that a text is in.
func row(text string) string {
	return fmt.Sprintf("[...document.querySelectorAll('.rows > .row')].find((row) => row.innerText.includes(%q))", text)
}

func TestRunElsewhereAppears(t *testing.T) {
	h := newHome(t)
	p := h.serve().open("/")
	p.sees("main", "qme run echo hello")
	p.execute("window.mark = true")
	in := newPipe(t)
	h.background("run", "sh", "-c", `while read -r line; do echo "$line"; done <"$0"; sleep 600`, in.path)
	p.until(row("sleep 600") + "?.innerText.includes('running')")
	for _, line := range []string{"epoch 1 <b>", "epoch 2 <b>"} { // what it prints shows beside it
		in.write(t, line+"\n")
		p.until(fmt.Sprintf("%s?.querySelector('.says')?.innerText.includes(%q)", row("sleep 600"), line))
	}
	h.qme("-m", "the first", "run", "echo", "elsewhere")
	p.until(row("echo elsewhere") + "?.innerText.includes('ok')")
	p.until(row("echo elsewhere") + ".innerText.includes('the first')")
	h.qme("run", "sh", "-c", "exit 7")
	p.until(row("exit 7") + "?.querySelector('.status').innerText === 'exit 7'")
	h.qme("cancel", "@3")
	p.until(row("sleep 600") + "?.innerText.includes('cancelled')")
	p.sees(".counts", "3 tasks")
	p.until("window.mark") // it has never been loaded again
}

func TestTasksAreRunAgainCancelledAndDeletedFromTheTable(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	h.qme("run", "echo", "two")
	h.background("run", "sleep", "600")
	p := h.serve().open("/")
	p.until(row("sleep 600"))

	p.execute(row("sleep 600") + ".querySelector('[aria-label=Cancel]').click()")
	p.click("dialog .danger")
	p.until(row("sleep 600") + ".innerText.includes('cancelled')")

	p.execute(row("echo two") + ".querySelector('[aria-label=\"Run again\"]').click()")
	p.sees("dialog code", "echo two")
	p.click("dialog .primary")
	p.until(row("echo two") + ".innerText.includes('×2')")
	p.until("(await (await fetch('/api/tasks?status=running')).json()).matched === 0")
	p.until(row("echo two") + ".innerText.includes('ok')")
	if log := h.qme("log", "@1"); !strings.Contains(log, "@2 ") {
		t.Errorf("it did not run again:\n%s", log)
	}

	p.execute(row("echo one") + ".querySelector('input').click()")
	p.execute(row("echo two") + ".querySelector('input').click()")
	p.sees(".picked", "2 selected")
	p.click(".picked .danger")
	p.click("dialog .danger")
	p.until("document.querySelectorAll('.rows > .row').length === 1")
	p.until("document.querySelector('.picked').hidden")
	if list := h.qme("ls"); strings.Contains(list, "echo") {
		t.Errorf("they are there:\n%s", list)
	}
}

// TestLatestRunFirst has the table be in the order of "qme ls", and its header say so.
func TestLatestRunFirst(t *testing.T) {
	h := newHome(t)
	for _, name := range []string{"one", "two", "three"} {
		h.qme("run", "echo", name)
	}
	p := h.serve().open("/")
	shown := `[...document.querySelectorAll('.rows > .row')].map((row) => row.querySelector('.name').innerText.replace('echo ', '')).join(' ')`
	header := func(sort string) {
		t.Helper()
		p.until(fmt.Sprintf(`(document.querySelector('[data-sort=started]').ariaSort ?? '') === %q && document.querySelectorAll('.grid [aria-sort]').length === 1`, sort))
	}
	p.until(shown + " === 'three two one'")
	header("descending")
	h.qme("rerun", "@3")
	p.until(shown + " === 'one three two'")
	h.background("rerun", "@3") // one in flight comes first, too
	p.until(shown + " === 'two one three'")
	header("descending")
	p.click("[data-sort=started] button")
	p.until(shown + " === 'three one two'")
	header("ascending")
	p.address("/?sort=started")
	p.click("[data-sort=started] button")
	p.until(shown + " === 'two one three'")
	header("descending")
	p.address("/")
	h.qme("run", "echo", "four")
	p.until(shown + " === 'four two one three'")
	p.visit("/?sort=-id")
	p.until(shown + " === 'four three two one'")
	p.until("document.querySelectorAll('.grid [aria-sort]').length === 0")
}

func TestKeyboard(t *testing.T) {
	h := newHome(t)
	for _, word := range []string{"alpha", "beta", "gamma"} {
		h.qme("run", "echo", word)
	}
	p := h.serve().open("/")
	p.until(row("alpha"))
	active := "document.querySelector('.grid:focus .row.active')?.innerText ?? ''"
	p.press("j")
	p.until(active + ".includes('beta')")
	p.press("j")
	p.until(active + ".includes('alpha')")
	p.press("k")
	p.until(active + ".includes('beta')")
	p.until("document.querySelector('.grid').getAttribute('aria-activedescendant') === document.querySelector('.row.active').id")
	p.press("x")
	p.until(row("beta") + ".ariaSelected === 'true'")
	p.keys(kb.Escape)
	p.until(row("beta") + ".ariaSelected === 'false'")
	p.press("r")
	p.sees("dialog code", "echo beta")
	p.click("dialog .primary")
	p.until(row("beta") + ".innerText.includes('×2')")
	p.press("?")
	p.sees("dialog[open]", "these shortcuts")
	p.keys(kb.Escape)
	p.until("!document.querySelector('dialog')")
	p.press("/")
	p.until("document.activeElement.id === 'search'")
	p.keys("gamma" + kb.Enter)
	p.until("document.querySelectorAll('.rows > .row').length === 1")
	p.keys(kb.Enter)
	p.until("location.pathname.startsWith('/tasks/')")
	p.sees("h1", "echo gamma")
}

func TestViewSurvivesReload(t *testing.T) {
	h := newHome(t)
	h.qme("run", "sh", "-c", "echo apple; exit 1")
	h.qme("run", "sh", "-c", "echo apple; echo ripe")
	h.qme("run", "sh", "-c", "echo pear; exit 1")
	p := h.serve().open("/")
	p.until("document.querySelectorAll('.rows > .row').length === 3")
	p.click(".chip[data-outcome=failed]")
	p.address("/?status=failed")
	p.click("#search")
	p.keys("apple")
	p.address("/?q=apple&status=failed")
	p.click(".head .command button")
	p.address("/?q=apple&status=failed&sort=command")
	check := func() {
		t.Helper()
		p.until("document.querySelectorAll('.rows > .row').length === 1")
		p.until(row("apple") + ".innerText.includes('exit 1')")
		p.until("document.querySelector('#search').value === 'apple'")
		p.until("document.querySelector('.chip[data-outcome=failed]').ariaPressed === 'true'")
		p.until("document.querySelector('.head .command').ariaSort === 'ascending'")
		p.sees(".counts", "1 of 3 tasks")
	}
	check()
	p.do(chromedp.Reload())
	check()
	p.execute(row("apple") + ".querySelector('a').click()")
	p.sees("h1", "echo apple")
	p.execute("history.back()")
	p.address("/?q=apple&status=failed&sort=command")
	check()
	p.click(".tags .clear")
	p.until("document.querySelectorAll('.rows > .row').length === 3")
}

func TestWrongQuerySaysWhere(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	p := h.serve().open("/")
	p.excuse("400 (Bad Request)") // the browser's own note on the answer
	p.until(row("echo one"))
	p.click("#search")
	p.keys("moto taste:seed")
	p.sees("#search-problem", "there is no field")
	p.sees("#search-problem mark", "taste:seed")
	p.until("document.querySelector('#search').ariaInvalid === 'true'")
	p.execute("document.querySelector('#search').select()")
	p.keys("one")
	p.until("document.querySelector('#search-problem').innerText === ''")
	p.until(row("echo one"))
}

func TestManyTasksScroll(t *testing.T) {
	h := newHome(t)
	const tasks = 100_000
	if _, err := history.Generate(context.Background(), h.dir, history.Options{Tasks: tasks, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	p := h.serve().open("/")
	p.until("document.querySelector('.counts')?.innerText === '100,000 tasks'")
	p.execute(`
		window.top = () => Math.round(document.querySelector('.grid').scrollTop / 36);
		window.at = (index) => document.querySelector('.rows > .row[aria-rowindex="' + (index + 2) + '"]');
		window.right = async (index) => {
			const { tasks } = await (await fetch('/api/tasks?limit=1&offset=' + index)).json();
			return at(index)?.id === 'row-' + tasks[0].id;
		}`)
	for _, index := range []int{50_000, 99_970, 123, 88_888, 0} {
		p.execute(fmt.Sprintf("document.querySelector('.grid').scrollTop = %d * 36", index))
		p.until(fmt.Sprintf("await right(%d)", index))
		p.until("document.querySelectorAll('.rows > .row').length < 100")
	}
	p.keys(kb.End)
	p.until(fmt.Sprintf("document.querySelector('.grid .row.active')?.ariaRowIndex === '%d'", tasks+1))

	// What is being read stays where it is when another task begins.
	p.execute("document.querySelector('.grid').scrollTop = 40_000 * 36")
	p.until("await right(40_000)")
	p.execute("window.reading = at(40_000).id; window.y = at(40_000).getBoundingClientRect().y")
	h.qme("run", "echo", "new")
	p.until("document.querySelector('.counts').innerText === '100,001 tasks'")
	p.until("document.getElementById(reading)?.ariaRowIndex === '40003'")
	p.until("Math.abs(document.getElementById(reading).getBoundingClientRect().y - y) < 1")
}

func TestReconnects(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "before")
	s := h.serve()
	p := s.open("/")
	for _, text := range []string{"/api/live", "/api/info", "ERR_CONNECTION_REFUSED"} {
		p.excuse(text)
	}
	p.until(row("echo before"))
	p.sees("#live", "Live")
	s.stop()
	p.sees("#live", "Offline")
	p.sees("#banner", "No connection to the server")
	h.qme("run", "echo", "meanwhile")
	s.start(s.url.Port())
	p.sees("#banner", "does not accept this browser’s key")
	p.enter(s)
	p.sees("#live", "Live")
	p.until(row("echo meanwhile"))
	p.until("document.querySelector('#banner').innerText === ''")
}

func TestKeyThatIsReplacedIsSaid(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	s := h.serve()
	p := s.open("/")
	for _, text := range []string{"/api/live", "/api/info", "ERR_CONNECTION_REFUSED"} {
		p.excuse(text)
	}
	p.until(row("echo one"))
	s.stop()
	h.qme("generate-key")
	s.start(s.url.Port())
	p.sees("#live", "No key")
	p.sees("#banner", "does not accept this browser’s key")
}

func TestReadOnly(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	p := h.serve("--read-only").open("/")
	p.until(row("echo one"))
	p.sees("#live", "read-only")
	p.until("getComputedStyle(document.querySelector('.rows .acts button')).display === 'none'")
	h.qme("tag", h.id(), "+paper")
	h.qme("note", h.id(), "too hot")
	p.visit("/tasks/" + h.id())
	p.sees("h1", "echo one")
	p.until("document.querySelectorAll('[data-act]').length === 0")
	p.sees(".tagged", "paper")
	p.sees(".note-text", "too hot")
	p.until("[...document.querySelectorAll('qme-notes :is(button, input, textarea)')].every((el) => el.checkVisibility() === false)")
}

// TestCountsAreOfTheSearch has the counts of filters follow the search, and chooses a day with the keyboard.
func TestCountsAreOfTheSearch(t *testing.T) {
	h := newHome(t)
	p := h.serve().open("/")
	p.sees("main", "No tasks yet")
	y, m, d := time.Now().UTC().Date()
	noon := func(ago int) time.Time { return time.Date(y, m, d-ago, 12, 0, 0, 0, time.UTC) }
	day := func(ago int) string { return noon(ago).Format(time.DateOnly) }
	if _, err := chromedp.Call(p.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}); err != nil {
		t.Fatal(err)
	}
	h.commit("train one", noon(3), 1)
	h.commit("train two", noon(2), 1)
	h.commit("test one", noon(2), 1)
	h.commit("train three", noon(5), 1)
	h.qme("run", "sh", "-c", "exit 3")
	p.visit("/")
	count := func(outcome, want string) {
		t.Helper()
		p.until(fmt.Sprintf("document.querySelector('.chip[data-outcome=%s] .count').innerText === %q", outcome, want))
	}
	count("ok", "4")
	count("failed", "1")
	p.click("#search")
	p.keys("train")
	count("ok", "3")
	count("failed", "0")
	p.click("[aria-controls=filters]")
	days := "[...document.querySelectorAll('.days [data-day]')].map((one) => one.querySelector('.date').innerText + ' ' + one.querySelector('.count').innerText).join(', ')"
	p.until(days + " === '" + day(2) + " 1, " + day(3) + " 1, " + day(5) + " 1'")
	p.until("[...document.querySelector('#filter-host').options].map((one) => one.innerText).join() === 'any,login1 (3)'")
	p.picture("days")
	p.execute("document.querySelector('.days [tabindex=\"0\"]').focus()")
	p.keys(kb.ArrowDown)
	p.until("document.activeElement.dataset.day === '" + day(3) + "'")
	p.keys(kb.Enter)
	p.address("/?q=train&after=" + day(3) + "&before=" + day(2))
	p.sees(".counts", "1 of 5 tasks")
	count("ok", "1")
	p.until("document.activeElement.dataset.day === '" + day(3) + "' && document.activeElement.ariaPressed === 'true'")
	p.until(days + ".includes('" + day(2) + " 1')") // one more can be chosen
	p.until("document.querySelector('#filter-since').value === '" + day(3) + "'")
	p.until("[...document.querySelector('#filter-host').options].map((one) => one.innerText).join() === 'any,login1 (1)'")
	p.keys(kb.Enter)
	p.address("/?q=train")
	count("ok", "3")
	p.visit("/?host=elsewhere")
	p.sees("main", "No task matches")
	count("ok", "0")
	p.click("[aria-controls=filters]")
	p.until("document.querySelector('#filter-host').selectedOptions[0].innerText === 'elsewhere (0)'")
	h.qme("run", "echo", "live")
	p.click(".tag")
	count("ok", "5")
	h.qme("run", "echo", "live")
	count("ok", "6")
}
