package browser

import (
	"os"
	"path/filepath"
	"testing"
)

// hostile is what would run, load or rearrange something, were it not text.
const hostile = `<script>window.pwned=1</script><img src=x onerror="window.pwned=2"><a href="javascript:window.pwned=3">x</a>"'` + "`${7*7}" + `</style></textarea><svg onload=window.pwned=4>`

func TestHostileRecordIsText(t *testing.T) {
	h := newHome(t)
	dir := filepath.Join(t.TempDir(), `<img src=x onerror="window.pwned=5">`)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	output := "gone\x1b[2J" + hostile + "\n\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;javascript:window.pwned=6\x07link\x1b]8;;\x07 \u202egnol\u202c \xff\xfe \x1b_bk;t=0\x07\x1b]1338;url=http://example.org/x.png\x07\n" +
		"\x1b]1339;url=javascript:window.pwned=7\x07 <b>not bold</b>\n"
	file := filepath.Join(dir, "output")
	if err := os.WriteFile(file, []byte(output), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := h.command("-m", hostile+"\u202e", "run", "sh", "-c", `cat "$1"; cat "$1" >&2; exit 1`, hostile, file)
	cmd.Dir = dir
	if out, err := cmd.Output(); cmd.ProcessState == nil {
		t.Fatal(err, out)
	}
	h.qme("note", h.id(), hostile+"\u202e")
	h.qme("tag", h.id(), `+x"><img/src=x/onerror=window.pwned=8>`)
	p := h.serve().open("/")
	p.until(row("<script>window.pwned=1</script>"))
	p.sees(".rows .message", "onerror")
	p.sees(".rows .label", "<img/src=x")
	harmless := func() {
		t.Helper()
		p.until("window.pwned === undefined")
		p.until("document.querySelectorAll('main script, main iframe, main style, main a[href^=\"javascript:\"], main img[src=\"x\"], main [onerror], main [onload]').length === 0")
	}
	harmless()
	p.click("qme-filter .bar > button")
	p.sees(".panel", "Directory")
	harmless()
	p.visit("/tasks/" + h.id())
	p.sees("h1", "<script>window.pwned=1</script>")
	for _, pane := range []string{"qme-output:first-child", "qme-output:last-child"} {
		p.sees(pane+" .text", "<b>not bold</b>")
		p.sees(pane+" .term-fg31", "red")
		p.sees(pane+" .text", `\u202e`)
		p.until("[...document.querySelectorAll('" + pane + " .text *')].every((el) => el.matches('.chunk, span[class^=term-]') )")
	}
	p.sees(".facts", "<img src=x")
	p.sees(".note-text", "<script>window.pwned=1</script>")
	p.sees(".tagged", "<img/src=x")
	harmless()
	p.click(".tagged .label")
	p.until(row("<script>window.pwned=1</script>"))
	harmless()
	p.visit("/overview")
	p.sees(".commands", "<script>window.pwned=1</script>")
	harmless()
}
