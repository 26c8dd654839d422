package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"qme/tasks/waiting"
	"qme/tests/enqueue"
	"qme/tests/require"
)

// axe returns the source of axe-core, which npm fetches.
func axe(t *testing.T) string {
	t.Helper()
	require.Component(t, "npm")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		require.Missing(t, "axe-core", fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPagesAreAccessible(t *testing.T) {
	source := axe(t)
	h := newHome(t)
	s := h.serve()
	p := s.open("/")
	check := func(name string) {
		t.Helper()
		p.execute(source)
		for _, theme := range []string{"light", "dark"} {
			features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
			if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
				t.Fatal(err)
			}
			found := evaluate[[]string](p, `await axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map((node) => id + ': ' + node.html + ' ' + node.failureSummary)))`)
			for _, violation := range found {
				t.Errorf("%s, %s: %s", name, theme, violation)
			}
			p.picture(name + "-" + theme)
		}
	}
	p.sees("main", "No tasks yet")
	check("empty")
	p.visit("/overview")
	p.sees("main", "No tasks yet")
	check("overview-empty")

	p.excuse("400 (Bad Request)")
	p.excuse("404 (Not Found)")
	h.qme("-m", "the baseline", "run", "sh", "-c", `for i in 0 1 2 3 4 5 6 7; do printf "\033[3${i}mletters\033[0m \033[9${i}mbright\033[0m \033[4${i}mground\033[0m \033[10${i}mbright ground\033[0m\n"; done; printf '\033[31mred\033[0m \033[32mgreen\033[0m \033[33myellow\033[0m \033[34mblue\033[0m \033[38;5;208morange\033[0m \033[2mfaint\033[0m\n'; echo oops >&2; exit 2`)
	id := h.id()
	h.qme("rerun", id)
	h.qme("name", id, "baseline")
	h.qme("tag", id, "+paper", "+figure-3")
	h.qme("note", id, "The temperature was too high: see the figure.")
	h.qme("run", "echo", "hello moto")
	h.background("run", "sleep", "600")
	waits := enqueue.Held(t, h.dir, "simulate --steps 9", waiting.Terms{Queue: "gpu", CPUs: 4, Tries: 3})
	p.visit("/")
	p.until(row("sleep 600"))
	p.until(row("simulate") + "?.querySelector('.why')?.innerText")
	check("tasks")
	p.press("j")
	p.press("x")
	p.click("qme-filter .bar > button")
	p.sees(".panel", "Directory")
	check("filters")
	p.visit("/?q=rc:")
	p.until("document.querySelector('#search-problem')?.innerText")
	check("wrong-query")
	p.visit("/tasks/" + id + "?find=oops&compare=1,2")
	p.sees(".hits", "1 of 1")
	p.sees(".comparison", "duration")
	check("compare")
	p.visit("/tasks/" + id)
	p.until("document.querySelector('qme-runs .plot')?.naturalWidth")
	p.sees("qme-output .text", "red")
	check("task")
	p.visit("/tasks/" + string(waits))
	p.sees("header .why", "held")
	check("task-queued")
	p.visit("/tasks/" + id)
	p.sees("qme-output .text", "red")
	p.click("[aria-label='Edit this note']")
	p.click("[aria-label='Change the name']")
	p.sees(".name-form", "Save")
	check("task-edited")
	p.visit("/tasks/" + strings.Repeat("0", 20))
	p.sees("main", "no such task")
	check("no-task")
	p.visit("/overview")
	p.sees(".numbers", "are ok")
	check("overview")
	p.do(chromedp.EmulateViewport(390, 800))
	check("overview-phone")
	p.visit("/")
	p.until(row("sleep 600"))
	check("tasks-phone")
	p.visit("/tasks/" + id)
	p.sees("qme-output .text", "red")
	check("task-phone")
}

// picture keeps a picture of the page in the folder that QME_SCREENSHOTS names, if any.
func (p *tab) picture(name string) {
	dir := os.Getenv("QME_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
