package trace

import (
	"os/exec"
	"testing"
)

func BenchmarkTrace(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"cat400", `for i in $(seq 400); do cat /etc/hostname >/dev/null; done`},
		{"python", `python3 -c 'import sys, pkgutil, importlib
n=0
for m in sorted(x.name for x in pkgutil.iter_modules() if x.name not in ("antigravity","this","idlelib","turtle","__main__","turtledemo")):
    if n>=300: break
    try: importlib.import_module(m); n+=1
    except BaseException: pass'`},
		{"threads", `python3 - <<'E'
import threading,os,tempfile
d=tempfile.mkdtemp()
for i in range(1000): open(f"{d}/{i}","w").close()
def f():
    for i in range(1000):
        os.close(os.open(f"{d}/{i}",os.O_RDONLY))
ts=[threading.Thread(target=f) for _ in range(32)]
[t.start() for t in ts];[t.join() for t in ts]
E`},
	} {
		dir := b.TempDir()
		b.Run(c.name+"/plain", func(b *testing.B) {
			for range b.N {
				cmd := exec.Command("sh", "-c", c.text)
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatal(string(out))
				}
			}
		})
		b.Run(c.name+"/traced", func(b *testing.B) {
			for range b.N {
				r := script(b, dir, c.text)
				b.ReportMetric(float64(len(r.Files)), "files")
				if r.Losses.Any() {
					b.Log(r.Losses)
				}
			}
		})
	}
}
