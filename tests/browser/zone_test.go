package browser

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// commit puts a run of a command into the history, which began at a time and took some seconds.
func (h *home) commit(command string, at time.Time, seconds float64) record.ID {
	h.t.Helper()
	store, err := gitstore.Open(afero.NewOsFs(), filepath.Join(h.dir, "tasks.git"), gitstore.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	id, err := record.NewID("shell")
	if err != nil {
		h.t.Fatal(err)
	}
	code := 0
	rec := &record.Record{Executor: "shell", UID: id, Command: command}
	rec.Data = record.Data{
		PWD: "/home/ada", User: "ada", Timestamp: record.Time{Time: at}, Cmd: []string{command}, Status: record.Complete, ReturnCode: &code,
		Host: "login1", Run: 1, Duration: seconds, Usage: &record.Usage{User: 1, System: 1},
	}
	_, err = store.Commit(context.Background(), gitstore.Change{
		Verb: "run", What: rec.Command, When: time.Now(), ID: id,
		Build: func(*record.Record, string) (*record.Record, error) { return rec, nil },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// TestTimesAreOfTheBrowser has a browser in Tokyo show a run from elsewhere: on its own clock in every
// view, with the recorder's beside it, and the days are its own, too.
func TestTimesAreOfTheBrowser(t *testing.T) {
	h := newHome(t)
	p := h.serve().open("/")
	p.sees("main", "No tasks yet")
	zone := func(name string) {
		t.Helper()
		if _, err := chromedp.Call(p.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: name}); err != nil {
			t.Fatal(err)
		}
	}
	zone("Asia/Tokyo")
	y, m, d := time.Now().UTC().Date()
	at := time.Date(y, m, d-3, 20, 30, 15, 0, time.UTC)
	day, before, next := time.Date(y, m, d-2, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), at.Format(time.DateOnly), time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	id := h.commit("far away", at.In(time.FixedZone("", -5*3600)), 1)
	p.visit("/")
	p.until(row("far away"))
	p.until(row("far away") + ".querySelector('time').innerText.endsWith('05:30')")
	p.until(row("far away") + ".querySelector('time').title === '" + day + " 05:30:15 – where it ran: " + before + " 15:30:15 (UTC-05:00)'")
	p.visit("/overview")
	p.until("document.querySelector('[data-day=\"" + day + "\"]')?.ariaLabel.endsWith(': 1 task')")
	p.until("document.querySelector('[data-day=\"" + before + "\"]').ariaLabel.endsWith(': nothing')")
	p.sees("#title-days", "Tasks by day of their last run")
	p.until("document.querySelector('[data-plot=days]').src.includes('tz=Asia%2FTokyo') && document.querySelector('[data-plot=days]').naturalWidth")
	p.execute("document.querySelector('[data-day=\"" + day + "\"]').click()")
	p.address("/?after=" + day + "&before=" + next)
	p.until(row("far away"))
	p.visit("/?before=" + day)
	p.sees("main", "No task matches")
	p.visit("/?q=after:" + day)
	p.until(row("far away"))
	p.visit("/?q=before:" + day)
	p.sees("main", "No task matches")
	p.visit("/tasks/" + string(id))
	p.sees(".facts", day+" 05:30:15")
	p.sees(".timeline", day+" 05:30:15")
	p.sees(".facts", "not recorded") // how much memory it took
	zone("UTC")
	p.visit("/tasks/" + string(id))
	p.sees(".facts", before+" 20:30:15")
}

// TestOverviewLeadsToWhatItNames follows the links of the slowest and of the most frequent commands.
func TestOverviewLeadsToWhatItNames(t *testing.T) {
	h := newHome(t)
	p := h.serve().open("/")
	p.sees("main", "No tasks yet")
	now := time.Now()
	h.commit("train it", now.Add(-5*time.Hour), 1)
	slowest := h.commit("train it", now.Add(-4*time.Hour), 400)
	h.commit("train it", now.Add(-3*time.Hour), 2)
	h.commit("train it all", now.Add(-2*time.Hour), 3)
	p.visit("/overview")
	p.sees(".slowest li", "train it")
	p.execute("document.querySelector('.slowest a').click()")
	p.address("/tasks/" + string(slowest))
	p.visit("/overview")
	p.sees(".frequent li", "3 tasks")
	p.execute("document.querySelector('.frequent a').click()")
	p.address("/?command=train+it")
	p.sees(".counts", "3 of 4 tasks")
	p.sees(".tags", "command: train it")
	p.execute("document.querySelector('.tag').click()")
	p.sees(".counts", "4 tasks")
}

// TestOfflineFilters asks for other rows while the server is away: nothing looks as if they were there,
// and they come with the connection.
func TestOfflineFilters(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	h.qme("run", "sh", "-c", "exit 3")
	s := h.serve()
	p := s.open("/")
	for _, text := range []string{"/api/", "ERR_CONNECTION_REFUSED"} {
		p.excuse(text)
	}
	p.until(row("exit 3"))
	s.stop()
	p.sees("#live", "Offline")
	p.click(".chip[data-outcome=failed]")
	p.sees(".counts", "could not be had yet")
	p.until("document.querySelector('.chip[data-outcome=failed]').ariaPressed === 'false' && document.querySelector('.chip.wanted').dataset.outcome === 'failed'")
	p.until(row("echo one"))
	p.click(".head .command button")
	p.address("/?status=failed&sort=command")
	p.until("document.querySelector('.head .started').ariaSort === 'descending' && !document.querySelector('.head .command').ariaSort")
	p.picture("offline")
	s.start(s.url.Port())
	p.enter(s)
	p.sees("#live", "Live")
	p.sees(".counts", "1 of 2 tasks")
	p.until("document.querySelector('.head .command').ariaSort === 'ascending'")
	p.until("document.querySelector('.chip[data-outcome=failed]').ariaPressed === 'true' && !document.querySelector('.wanted')")
}

// TestMissingKeyIsSaidOnce has the cookie go while the page is open.
func TestMissingKeyIsSaidOnce(t *testing.T) {
	h := newHome(t)
	h.qme("run", "echo", "one")
	s := h.serve()
	p := s.open("/")
	for _, text := range []string{"/api/", "401 (Unauthorized)", "favicon.ico"} {
		p.excuse(text)
	}
	p.until(row("echo one"))
	p.sees("#live", "Live")
	if _, err := chromedp.Call(p.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	p.click(".chip[data-outcome=failed]")
	p.sees("#live", "No key")
	p.sees("#banner", "does not accept this browser’s key")
	p.until(row("echo one"))
	p.until("document.body.innerText.split(/[Oo]pen the address/).length === 2 && !document.body.innerText.includes('the key is needed')")
	p.picture("no-key")
	p.visit("/overview") // which is refused as a whole, and not the page's concern
	p.enter(s)
	p.visit("/")
	p.until(row("echo one"))
}
