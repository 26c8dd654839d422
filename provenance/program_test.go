package provenance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
)

func TestInterpreterIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"#!/bin/sh\n": "/bin/sh", "#! /usr/bin/python3 -u\nx": "/usr/bin/python3", "#!/usr/bin/env python\n": "python", "#!/usr/bin/env -S A=1 -u B python -x\n": "python",
		"#!/usr/bin/env\n": "", "#!/usr/bin/env -u\n": "", "#!\n": "", "#!  \n": "", "": "", "#": "", "echo": "", "\x7fELF": "", "#!/bin/sh": "",
		"#!/" + strings.Repeat("x", 1<<20) + "\n":                 "",
		"#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\"\n": "/a b/bin/python", "#!/bin/sh\n'''exec' /ab/bin/python \"$0\"\n": "/ab/bin/python", "#!/bin/sh\n'''exec' \"": "/bin/sh", "#!/bin/sh\n'''exec' x y\n": "/bin/sh",
	} {
		if got := interpreterIn(text); got != want {
			t.Errorf("%.60q has %q, want %q", text, got, want)
		}
	}
}

// script makes an executable file.
func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// collected returns what is found of a command, and the names of its programs with those of their
// interpreters.
func collected(t *testing.T, c Command) (Collected, []string) {
	t.Helper()
	s := Collect(c, Limits{File: 1 << 20, Run: 1 << 20}, SoftwareLimits{Wait: time.Minute})
	s.Begin()
	found := s.End()
	var list []string
	if found.Software != nil {
		for _, p := range found.Software.Programs {
			text := filepath.Base(p.Path)
			if p.Real != "" {
				text += " is " + filepath.Base(p.Real)
			}
			if p.Interpreter != "" {
				text += " by " + filepath.Base(p.Interpreter)
			}
			if p.SHA256 == "" {
				text += " without hash"
			}
			list = append(list, text)
		}
	}
	return found, list
}

// TestWrapped finds the command that a wrapper runs, whatever options and words stand before it.
func TestWrapped(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"timeout 10", "timeout -k 5 10", "timeout --kill-after 5 -s INT 10", "timeout --signal=INT --foreground 1.5h", "timeout -k5 -vs INT -- 10",
		"/usr/bin/time -f %e", "time -o out -v", "time -vo out", "stdbuf -oL", "stdbuf -o L -e 0", "stdbuf --output L", "taskset -c 0", "taskset 0x3", "taskset -ac 0-3",
		"ionice -c3", "ionice -c 2 -n 7", "chrt -f 10", "chrt -d -T 1 -P 2 -D 3 0", "numactl -N 0 -m 0", "numactl --cpunodebind=0 --membind 0", "numactl -l",
		"flock lock", "flock -n lock", "flock -w 5 -E 3 lock", "xvfb-run", "xvfb-run -a -s -screen", "xvfb-run --server-args=-x", "strace", "strace -ff -o out -e trace=open",
		"strace --output=out", "catchsegv", "caffeinate", "caffeinate -dim -t 10", "nohup", "setsid -w", "command -p", "exec -a name", "nice", "nice -5", "nice -n 5", "nice -n5",
		"env", "env -i A=1 B=2", "env - A=1", "env -u A --unset B --chdir c", "env -uA --", "command exec nice",
	} {
		words := strings.Fields(line + " cmd -x a")
		for range 3 {
			if next := wrapped(words); next != nil {
				words = next
			}
		}
		if got := strings.Join(words, " "); got != "cmd -x a" {
			t.Errorf("%s runs %q", line, got)
		}
	}
	for _, line := range []string{"timeout", "timeout 10", "timeout -k", "taskset -cp 0 1", "chrt -p 1 2", "ionice -c 3 -p 1", "flock lock -c line", "flock lock", "command -v cmd", "env", "env A=1", "cmd a", "numactl -H"} {
		if got := wrapped(strings.Fields(line)); got != nil {
			t.Errorf("%s runs %q", line, got)
		}
	}
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	script(t, filepath.Join(bin, "python3.11"), "\x7fELF")
	script(t, filepath.Join(bin, "tool"), "#!"+bin+"/python\n")
	script(t, filepath.Join(bin, "wrapper"), "#!/usr/bin/env tool\n")
	script(t, filepath.Join(bin, "self"), "#!"+bin+"/self\n")
	script(t, filepath.Join(bin, "long"), "#!"+strings.Repeat("x", 1<<20)+"\n")
	script(t, filepath.Join(bin, "nohup"), "\x7fELF")
	script(t, filepath.Join(bin, "echo"), "\x7fELF")
	script(t, filepath.Join(bin, "sh"), "\x7fELF")
	script(t, filepath.Join(dir, "own"), "#!bin/python3.11\n")
	for _, err := range []error{os.Symlink("python3.11", filepath.Join(bin, "python")), unix.Mkfifo(filepath.Join(bin, "pipe"), 0o700), os.Mkdir(filepath.Join(bin, "folder"), 0o700),
		os.WriteFile(filepath.Join(bin, "plain"), nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		argv []string
		want []string
	}{
		{[]string{"python", "x"}, []string{"python is python3.11"}},
		{[]string{"wrapper"}, []string{"wrapper by tool", "tool by python", "python is python3.11"}},
		{[]string{"self"}, []string{"self by self"}},
		{[]string{"long"}, []string{"long"}},
		{[]string{"./own"}, []string{"own by python3.11", "python3.11"}},
		{[]string{"nohup", "tool"}, []string{"nohup", "tool by python", "python is python3.11"}},
		{[]string{"pipe"}, nil}, {[]string{"folder"}, nil}, {[]string{"plain"}, nil}, {[]string{"none"}, nil}, {[]string{""}, nil}, {[]string{"\x00"}, nil},
		{[]string{"sh", "-c", "X=1 tool < in | echo $Y; exec nohup python; ./own"}, []string{"sh", "tool by python", "python is python3.11", "nohup", "own by python3.11", "python3.11"}},
		{[]string{"sh", "-c", "cd x; ./own; own() { :; }; own; $(tool); " + dir + "/own"}, []string{"sh", "tool by python", "python is python3.11", "own by python3.11", "python3.11"}},
		{[]string{"sh", "-c", "PATH=/x; tool"}, []string{"sh"}},
		{[]string{"sh", "-c", "tool '"}, []string{"sh"}},
	} {
		if _, got := collected(t, Command{Dir: dir, Argv: c.argv, Env: []string{"PATH=/nowhere:" + bin}}); !slices.Equal(got, c.want) {
			t.Errorf("%q has %q", c.argv, got)
		}
	}
}

// TestOtherPath has commands that change PATH: what they run afterwards by its name is not recorded.
func TestOtherPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"bin/python", "bin/sh", "bin/tool", "bin/env", "venv/bin/python"} {
		script(t, filepath.Join(dir, name), "\x7fELF")
	}
	for _, c := range []struct {
		line string
		lost bool
		want []string
	}{
		{". venv/bin/activate && python x", true, []string{"sh"}},
		{"tool; source venv/bin/activate; python x", true, []string{"sh", "tool"}},
		{"eval \"$(x)\"; python x", true, []string{"sh"}},
		{"module load python; env -u A python x", true, []string{"sh"}},
		{"conda activate x && python x", true, []string{"sh"}},
		{"conda list; python x", false, []string{"sh", "python"}},
		{"python x; . venv/bin/activate; echo", false, []string{"sh", "python"}},
		{"f() { python x; }; . venv/bin/activate; f", true, []string{"sh"}},
		{". venv/bin/activate; " + dir + "/venv/bin/python x", false, []string{"sh", "python"}},
		{". venv/bin/activate; " + dir + "/bin/env python", true, []string{"sh", "env"}},
		{"PATH=venv/bin:$PATH; python x", true, []string{"sh"}},
		{"env PATH=venv/bin python x", true, []string{"sh", "env"}},
	} {
		found, got := collected(t, Command{Dir: dir, Argv: []string{"sh", "-c", c.line}, Env: []string{"PATH=" + filepath.Join(dir, "bin")}})
		if why := found.Software.NotRecorded; !slices.Equal(got, c.want) || slices.Equal(why, []string{otherPath}) != c.lost || len(why) > 1 {
			t.Errorf("%s has %q, not recorded: %q", c.line, got, why)
		}
	}
	found, got := collected(t, Command{Dir: dir, Argv: []string{"env", "-C", "venv", "PATH=/x", "python"}, Env: []string{"PATH=" + filepath.Join(dir, "bin")}})
	if !slices.Equal(got, []string{"env"}) || !slices.Equal(found.Software.NotRecorded, []string{otherPath}) {
		t.Errorf("env has %q, not recorded: %q", got, found.Software.NotRecorded)
	}
	if _, got := collected(t, Command{Dir: dir, Argv: []string{"env", "-C", "venv", "bin/python"}, Env: []string{"PATH=" + filepath.Join(dir, "bin")}}); !slices.Equal(got, []string{"env", "python"}) {
		t.Errorf("env -C has %q", got)
	}
}

// TestProgramGone has a program that removes or replaces itself.
func TestProgramGone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return os.WriteFile(path, []byte("#!/bin/other\n"), 0o700) },
	} {
		path := filepath.Join(t.TempDir(), "prog")
		script(t, path, "#!/bin/sh\n")
		s := Collect(Command{Dir: "/", Argv: []string{path}}, Limits{File: 1 << 20, Run: 1 << 20}, SoftwareLimits{Wait: time.Minute})
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		s.Begin()
		if found := s.End(); len(found.Software.Programs) != 1 || found.Software.Programs[0].Path != path || found.Software.Programs[0].SHA256 != "" || found.Software.Programs[0].Size != 10 {
			t.Errorf("%s: %+v", name, found.Software.Programs)
		}
	}
}

// TestCollectInTime has a collection whose end comes before it has found anything.
func TestCollectInTime(t *testing.T) {
	t.Parallel()
	waits := make(chan struct{})
	defer close(waits)
	dir := t.TempDir()
	site := filepath.Join(dir, "lib/python3.11/site-packages/own-1.0.dist-info")
	script(t, filepath.Join(site, "direct_url.json"), `{"url": "file:///src", "dir_info": {"editable": true}}`)
	script(t, filepath.Join(dir, "pyvenv.cfg"), "version = 3.11.1\n")
	s := Collect(Command{Dir: "/", Argv: []string{"none"}, Env: []string{"VIRTUAL_ENV=" + dir}}, Limits{}, SoftwareLimits{Wait: 2 * time.Second, Git: func(string) *record.Git { <-waits; return nil }})
	s.Begin()
	found := s.End()
	if want := []string{"the rest: there was no time"}; !slices.Equal(found.Software.NotRecorded, want) || len(found.Software.Environments) != 1 || !strings.Contains(string(found.Env), `"path":"/src"`) {
		t.Errorf("%+v\n%s", found.Software, found.Env)
	}
	if found := Collect(Command{Argv: []string{"true"}}, Limits{}, SoftwareLimits{}).End(); found.Software != nil {
		t.Errorf("a command that was not started has %+v", found.Software)
	}
}

func TestGPUs(t *testing.T) {
	t.Parallel()
	none := t.TempDir()
	if g := findGPUs(none); g.Driver != "" || len(g.Names) > 0 {
		t.Errorf("there are %+v", g)
	}
	nv := t.TempDir()
	script(t, nv+"/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build  (dvs@x)  Sat Aug 19\nGCC version:  gcc 12.2.0\n")
	script(t, nv+"/proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 36\nGPU UUID: \t GPU-1\n")
	script(t, nv+"/proc/driver/nvidia/gpus/0000:41:00.0/information", "Model: \t\t NVIDIA A100-SXM4-40GB\n")
	script(t, nv+"/proc/driver/nvidia/gpus/0000:81:00.0/power", "")
	if g := findGPUs(nv); g.Driver != "nvidia 535.104.05" || !slices.Equal(g.Names, []string{"NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB"}) {
		t.Errorf("there are %+v", g)
	}
	radeon := t.TempDir()
	script(t, radeon+"/sys/module/amdgpu/version", "6.3.6\n")
	script(t, radeon+"/sys/bus/pci/drivers/amdgpu/0000:03:00.0/device", "0x740f\n")
	script(t, radeon+"/sys/bus/pci/drivers/amdgpu/0000:03:00.0/product_name", "AMD INSTINCT MI210\n")
	script(t, radeon+"/sys/bus/pci/drivers/amdgpu/0000:04:00.0/device", "0x740f\n")
	script(t, radeon+"/sys/bus/pci/drivers/amdgpu/bind", "")
	if g := findGPUs(radeon); g.Driver != "amdgpu 6.3.6" || !slices.Equal(g.Names, []string{"AMD INSTINCT MI210", "AMD 0x740f"}) {
		t.Errorf("there are %+v", g)
	}
}
