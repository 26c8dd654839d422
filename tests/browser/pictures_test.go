package browser

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"qme/tests/genhistory/history"
	"qme/tests/require"
)

// TestPictures makes the pictures of the documentation. With QME_PICTURES=DIR they go there.
func TestPictures(t *testing.T) {
	require.Component(t, "root", "unshare", "mount", "git", "python3")
	dir := cmp.Or(os.Getenv("QME_PICTURES"), t.TempDir())
	p := newHome(t).scene().open("/")
	take := func(name string, height int64) {
		t.Helper()
		p.do(chromedp.EmulateViewport(1280, height))
		for _, theme := range []string{"light", "dark"} {
			features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
			if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
				t.Fatal(err)
			}
			p.until("[...document.images].every((img) => img.complete && img.naturalWidth > 0)")
			p.execute("await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
			b, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
			if err == nil {
				b, err = smaller(b)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name+"-"+theme+".png"), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	p.until(row("--epochs 400") + "?.querySelector('.says')?.innerText.includes('epoch')")
	p.sees(".counts", "3,008 tasks")
	take("tasks", 640)
	p.execute(row("--epochs 30") + ".querySelector('a').click()")
	p.until("document.querySelectorAll('.timeline li').length === 3")
	p.click("qme-find input")
	p.keys("clipped")
	p.sees(".hits", "1 of 3")
	p.execute("document.activeElement.blur()")
	take("task", 800)
	p.visit("/overview")
	p.until("document.querySelectorAll('.now li').length === 1 && document.querySelector('[data-shade=\"4\"]')")
	take("overview", 900)
}

// scene starts a server on testdata/scene.sh, which goes on until the test ends.
func (h *home) scene() *server {
	t := h.t
	if _, err := history.Generate(context.Background(), h.dir, history.Options{Tasks: 3000, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/scene.sh")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{home: h}
	cmd := exec.Command("unshare", "--uts", "--mount", "--propagation", "private", "sh", script)
	cmd.Env = append(os.Environ(), "QME_HOME="+h.dir, "QME="+program, "GIT_CONFIG_NOSYSTEM=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the one that runs, too
		_ = cmd.Wait()                                      // killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the scene said %q: %v", line, err)
	}
	if s.url, err = url.Parse(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return s
}

// smaller gives a picture a palette: of the colours that it has most of those that differ.
func smaller(b []byte) ([]byte, error) {
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	counts := map[color.RGBA]int{}
	full := image.NewRGBA(img.Bounds())
	draw.Draw(full, full.Bounds(), img, image.Point{}, draw.Src)
	for i := 0; i < len(full.Pix); i += 4 {
		counts[color.RGBA{full.Pix[i], full.Pix[i+1], full.Pix[i+2], full.Pix[i+3]}]++
	}
	most := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return cmp.Compare(counts[b], counts[a]) })
	var palette color.Palette
	for _, c := range most {
		if len(palette) < 256 && !slices.ContainsFunc(palette, func(p color.Color) bool { return alike(p.(color.RGBA), c) }) {
			palette = append(palette, c)
		}
	}
	small := image.NewPaletted(full.Bounds(), palette)
	draw.Draw(small, small.Bounds(), full, image.Point{}, draw.Src)
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small)
	return out.Bytes(), err
}

// alike reports whether nobody tells two colours apart.
func alike(a, b color.RGBA) bool {
	const most = 6
	apart := func(a, b uint8) bool { return max(a, b)-min(a, b) > most }
	return !apart(a.R, b.R) && !apart(a.G, b.G) && !apart(a.B, b.B)
}
