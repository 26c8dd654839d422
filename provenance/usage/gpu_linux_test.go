package usage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeSMI puts a program nvidia-smi first in PATH.
func fakeSMI(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

// gpuMachine has two GPUs, of which process 100 has number 1 open.
func gpuMachine(t *testing.T) (*gpuWatch, *tree) {
	m := newMachine(t)
	m.set(fake{pid: 100})
	dir := t.TempDir()
	g := newGPUWatch()
	g.device, g.driver, g.next = filepath.Join(dir, "nvidia"), filepath.Join(dir, "gpus"), 0
	for name, content := range map[string]string{"nvidiactl": "", "nvidia1": "", "gpus/0000:0A:00.0/information": "Model: x\nDevice Minor: \t 0\n", "gpus/0000:0b:00.0/information": "Device Minor: \t 1\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fds := filepath.Join(m.root, "100", "fd")
	if err := os.MkdirAll(fds, 0o700); err != nil {
		t.Fatal(err)
	}
	for fd, target := range []string{"/dev/null", g.device + "ctl", g.device + "1", "socket:[1]"} {
		if err := os.Symlink(target, filepath.Join(fds, fmt.Sprint(fd))); err != nil {
			t.Fatal(err)
		}
	}
	tr := m.tree()
	look(t, tr)
	t.Cleanup(g.end)
	return g, tr
}

// wait waits until nvidia-smi has reported something.
func (g *gpuWatch) wait(t *testing.T, x *Sample) {
	t.Helper()
	for range 1000 {
		if g.look(nil, time.Minute, x) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nothing was reported")
}

func TestGPU(t *testing.T) {
	dir := fakeSMI(t, `echo "$@" >"$0.args"; echo greeting
echo "00000000:0A:00.0, 100, 99999"; echo "00000000:0B:00.0, 50, 1024"
echo $$ >"$0.pid"; exec sleep 60`)
	g, tr := gpuMachine(t)
	var x Sample
	if g.look(tr, time.Second, &x) {
		t.Error("there are values at once")
	}
	g.wait(t, &x)
	if x.GPU != 0.5 || x.GPUMemory != 1<<30 || x.GPUs != 1 {
		t.Errorf("sample: %+v", x)
	}
	args, _ := os.ReadFile(filepath.Join(dir, "nvidia-smi.args"))
	if !strings.Contains(string(args), "-lms 2000") {
		t.Errorf("its arguments: %q", args)
	}
	for range 1000 { // the file comes after the report
		if pid, err := os.ReadFile(filepath.Join(dir, "nvidia-smi.pid")); err == nil && len(pid) > 1 {
			g.end()
			endsSoon(t, strings.TrimSpace(string(pid)))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("nvidia-smi has not begun")
}

func endsSoon(t *testing.T, pid string) {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(pid, &n); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if syscall.Kill(n, 0) != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d has not ended", n)
}

// A program that says nothing, is not there, or has values that are none gives none.
func TestGPUIsSilent(t *testing.T) {
	for name, script := range map[string]string{
		"hangs": "trap '' TERM INT; exec sleep 60", "fails": "exit 9", "is odd": "echo 00000000:0B:00.0, [N/A], [N/A]; echo a,b,c; yes | head -c 100000 | tr -d '\\n'; exit",
	} {
		t.Run(name, func(t *testing.T) {
			fakeSMI(t, script)
			g, tr := gpuMachine(t)
			var x Sample
			g.look(tr, time.Second, &x)
			if g.minors == nil {
				t.Fatal("no device was found")
			}
			for range 10 {
				if g.look(tr, time.Minute, &x) {
					t.Errorf("sample: %+v", x)
				}
				time.Sleep(5 * time.Millisecond)
			}
			g.end()
		})
	}
}

// Without a device that is open nvidia-smi is not started.
func TestNoGPU(t *testing.T) {
	dir := fakeSMI(t, `: >"$0.started"`)
	g, tr := gpuMachine(t)
	if err := os.Remove(filepath.Join(tr.files.Root, "100", "fd", "2")); err != nil {
		t.Fatal(err)
	}
	var x Sample
	g.look(tr, time.Second, &x)
	if _, err := os.Stat(filepath.Join(dir, "nvidia-smi.started")); err == nil || g.minors != nil || g.next != 2*time.Second {
		t.Error("it was started")
	}
	g.next = gpuFirst
	if g.look(tr, gpuFirst-1, &x); g.next != gpuFirst {
		t.Error("processes were looked at before their time")
	}
}
