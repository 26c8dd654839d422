package software

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
	"qme/tests/files"
)

// programs returns programs by their paths.
func programs(t *testing.T, paths ...string) (list []Program) {
	t.Helper()
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			real = path
		}
		list = append(list, Program{path, real})
	}
	return list
}

const token = "s3cretT0ken"

// condaFiles are an environment of conda in which pip has installed packages, too.
func condaFiles() map[string]string {
	url := `{"name": "numpy", "url": "https://conda.example/t/` + token + `/linux-64/x.conda", "channel": "https://u:` + token + `@conda.example"}`
	site := "lib/python3.11/site-packages/"
	return map[string]string{
		"conda-meta/history": token, "conda-meta/python-3.11.5-h955ad1f_0.json": url, "conda-meta/numpy-1.26.4-py311h64a7726_0.json": url,
		"conda-meta/ca-certificates-2024.2.2-hbcca054_0.json": url, "conda-meta/pytorch-2.1.0-py3.11_cuda12.1_cudnn8.9.2_0.json": url,
		"conda-meta/user:" + token + "@x-1-2.json": url, "conda-meta/bad.json": url, "conda-meta/new\nline-1-2.json": url, "conda-meta/bad\xff-1-2.json": url,
		site + "numpy-1.26.4.dist-info/METADATA": "", site + "torch-2.1.0.dist-info/INSTALLER": "conda\n", site + "Flask_Login-0.6.3.dist-info/INSTALLER": "pip\n",
		site + "Flask_Login-0.6.3.dist-info/direct_url.json": `{"url": "https://u:` + token + `@host/x.git", "vcs_info": {"vcs": "git"}}`,
		site + "https:__u:" + token + "@host-1.0.dist-info/": "", site + "esc\x1b[31m-1.0.dist-info/": "", site + "~lask-1.dist-info/": "", site + "numpy/__init__.py": "",
		site + "other-main.dist-info/": "",
	}
}

func list(e *Environment) string {
	var b strings.Builder
	if e.list != nil {
		b.Write(e.list.lines)
		for _, p := range e.list.editable {
			fmt.Fprintf(&b, "%s %s at %s\n", p.Name, p.Version, p.Editable.Path)
		}
	}
	return b.String()
}

func TestConda(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, dir, condaFiles())
	envs := Find(Query{Env: []string{"CONDA_PREFIX=" + dir, "VIRTUAL_ENV=relative"}})
	if len(envs) != 1 {
		t.Fatalf("there are %d environments", len(envs))
	}
	e := envs[0]
	e.Read(Cache{}, nil)
	want := `{"name":"ca-certificates","version":"2024.2.2","build":"hbcca054_0"},
{"name":"flask-login","version":"0.6.3","by":"pip"},
{"name":"numpy","version":"1.26.4","build":"py311h64a7726_0"},
{"name":"python","version":"3.11.5","build":"h955ad1f_0"},
{"name":"pytorch","version":"2.1.0","build":"py3.11_cuda12.1_cudnn8.9.2_0"}
`
	if got := list(e); got != want {
		t.Errorf("it has\n%s", got)
	}
	if want := (record.Environment{Kind: "conda", Path: dir, By: "CONDA_PREFIX", Python: "3.11.5", Packages: 5, LeftOut: 7}); e.Environment != want {
		t.Errorf("it is %+v", e.Environment)
	}
}

// TestEqual has equal environments in equal bytes, wherever they are.
func TestEqual(t *testing.T) {
	t.Parallel()
	var parts []string
	for range 2 {
		dir := t.TempDir()
		files.Write(t, dir, condaFiles())
		envs := Find(Query{Programs: programs(t, filepath.Join(dir, "bin/x"))})
		if len(envs) != 1 || envs[0].By != "program" {
			t.Fatalf("there are %+v", envs)
		}
		envs[0].Read(Cache{}, nil)
		parts = append(parts, string(Encode(envs, nil)))
	}
	if parts[0] != parts[1] || strings.Contains(parts[0], token) {
		t.Errorf("%s\n%s", parts[0], parts[1])
	}
	listed, err := Decode([]byte(parts[0]))
	if err != nil || len(listed) != 1 || len(listed[0].Packages) != 5 || listed[0].Packages[4] != (Package{Name: "pytorch", Version: "2.1.0", Build: "py3.11_cuda12.1_cudnn8.9.2_0"}) {
		t.Errorf("it is read as %+v: %v", listed, err)
	}
}

// venvFiles are a virtual environment with editable packages of each form.
func venvFiles(cfg string) map[string]string {
	site := "lib/python3.12/site-packages/"
	return map[string]string{
		"pyvenv.cfg": cfg, "bin/python": "", site + "requests-2.31.0.dist-info/": "", site + "My.Own_pkg-0.1.dist-info/direct_url.json": `{"url": "file:///home/u/my%20own", "dir_info": {"editable": true}}`,
		site + "far-0.1.dist-info/direct_url.json": `{"url": "file://` + token + `@host/x", "dir_info": {"editable": true}}`, site + "linked.egg-link": "/home/u/linked\n.",
		site + "local-0.2.dist-info/direct_url.json": `{"url": "file:///home/u/local", "dir_info": {}}`, site + "broken-0.2.dist-info/direct_url.json": `{"url`,
		site + "PyYAML-6.0.1-py3.12-linux-x86_64.egg-info/PKG-INFO": "", site + "torch-2.1.0+cu118.dist-info/": "", site + "torch.egg-info/": "",
	}
}

func TestVenv(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, dir, venvFiles("home = "+dir+"/system/bin\nImplementation = CPython\nversion_info = 3.12.1.final.0\nversion = 20.25.0\ninclude-system-site-packages = true\n"))
	files.Write(t, dir, map[string]string{"system/lib/python3/dist-packages/six-1.16.0.dist-info/": "", "system/lib/python3/dist-packages/requests-1.0.dist-info/": ""})
	envs := Find(Query{Programs: programs(t, filepath.Join(dir, "bin/python")), Env: []string{"VIRTUAL_ENV=" + dir}})
	if len(envs) != 1 {
		t.Fatalf("there are %d environments", len(envs))
	}
	e := envs[0]
	e.Read(Cache{}, nil)
	want := `{"name":"broken","version":"0.2"},
{"name":"local","version":"0.2"},
{"name":"pyyaml","version":"6.0.1"},
{"name":"requests","version":"2.31.0"},
{"name":"six","version":"1.16.0"},
{"name":"torch","version":"2.1.0+cu118"}
far 0.1 at 
linked  at /home/u/linked
my-own-pkg 0.1 at /home/u/my own
`
	if got := list(e); got != want {
		t.Errorf("it has\n%s", got)
	}
	if want := (record.Environment{Kind: "venv", Path: dir, By: "program", Python: "3.12.1", Packages: 9}); e.Environment != want {
		t.Errorf("it is %+v", e.Environment)
	}
	dirty := true
	part := string(Encode(envs, func(dir string) *record.Git {
		if dir != "/home/u/linked" {
			return nil
		}
		return &record.Git{Commit: "abc", Dirty: &dirty, Remote: token}
	}))
	if !strings.Contains(part, `{"name":"linked","editable":{"path":"/home/u/linked","commit":"abc","dirty":true}},`) || strings.Contains(part, token) {
		t.Error(part)
	}
}

// TestHostile has nothing wait, nothing be opened that is no file, and nothing be read without end.
func TestHostile(t *testing.T) {
	t.Parallel()
	site := "lib/python3.12/site-packages/"
	for name, c := range map[string]struct {
		make func(dir string) error
		want record.Environment
	}{
		"a pyvenv.cfg of 1 GB":       {func(dir string) error { return os.Truncate(filepath.Join(dir, "pyvenv.cfg"), 1<<30) }, record.Environment{NotRecorded: "its folders cannot be read"}},
		"a pyvenv.cfg without lines": {func(dir string) error { return os.Truncate(filepath.Join(dir, "pyvenv.cfg"), 0) }, record.Environment{NotRecorded: "its folders cannot be read"}},
		"no folder of packages":      {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "lib")) }, record.Environment{Python: "", NotRecorded: "its folders are not there"}},
		"loops of links": {func(dir string) error {
			return errors.Join(os.Symlink("loop", filepath.Join(dir, site+"loop")), os.Symlink(".", filepath.Join(dir, site+"self-1.0.dist-info")))
		}, record.Environment{Python: "3.12.1", Packages: 9}},
		"FIFOs": {func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, site+"linked.egg-link")), unix.Mkfifo(filepath.Join(dir, site+"linked.egg-link"), 0o600),
				unix.Mkfifo(filepath.Join(dir, site+"requests-2.31.0.dist-info/direct_url.json"), 0o600), unix.Mkfifo(filepath.Join(dir, site+"fifo-1.0.dist-info"), 0o600))
		}, record.Environment{Python: "3.12.1", Packages: 9}},
		"a FIFO for a folder": {func(dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, site)), unix.Mkfifo(filepath.Join(dir, site), 0o600))
		}, record.Environment{NotRecorded: "its folders cannot be read"}},
		"a device for a folder": {func(dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, site)), os.Symlink("/dev/zero", filepath.Join(dir, strings.TrimSuffix(site, "/"))))
		}, record.Environment{NotRecorded: "its folders cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			files.Write(t, dir, venvFiles("version = 3.12.1\n"))
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			envs := Find(Query{Env: []string{"VIRTUAL_ENV=" + dir}})
			if len(envs) != 1 {
				t.Fatalf("there are %d environments", len(envs))
			}
			envs[0].Read(Cache{}, nil)
			c.want.Kind, c.want.Path, c.want.By = "venv", dir, "VIRTUAL_ENV"
			if envs[0].Environment != c.want {
				t.Errorf("it is %+v", envs[0].Environment)
			}
		})
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	l := &listing{}
	for i := range mostPackages + 5 {
		l.add(Package{Name: fmt.Sprint("p", i), Version: "1"})
	}
	if l.finish(); l.count != mostPackages || l.leftOut != 5 {
		t.Errorf("%d are listed, and %d left out", l.count, l.leftOut)
	}
	late := &listing{stop: func() bool { return true }}
	if err := late.venv(t.TempDir()); err == nil {
		t.Error("a listing goes on after its end")
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	site := "/lib/python3.11/site-packages/"
	files.Write(t, dir, map[string]string{
		"apps/tool/bin/tool": "", "apps/tool/pyvenv.cfg": "version = 3.11.2", "apps/tool" + site + "tool-1.0.dist-info/": "", "own/bin/": "",
		"opt/python/bin/python3.11": "", "opt/python" + site + "x-1.dist-info/": "", "opt/python/lib/python3/dist-packages/y-2.egg-info": "",
		"home/.local" + site + "z-3.dist-info/": "", "base/conda-meta/python-3.11.1-0.json": "", "base/bin/python3.11": "",
		"venv/pyvenv.cfg": "version = 3.11.1", "venv/bin/": "",
	})
	for to, from := range map[string]string{"own/bin/tool": "../../apps/tool/bin/tool", "opt/python/bin/python3": "python3.11", "base/bin/python": "python3.11", "venv/bin/python": "../../base/bin/python"} {
		if err := os.Symlink(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for program, want := range map[string][]string{
		"own/bin/tool":           {"venv apps/tool"}, // as of pipx
		"opt/python/bin/python3": {"python opt/python", "user home/.local/lib/python3.11/site-packages"},
		"base/bin/python":        {"conda base", "user home/.local/lib/python3.11/site-packages"},
		"venv/bin/python":        {"venv venv"},
		"gone/bin/python":        nil,
	} {
		var got []string
		for _, e := range Find(Query{Env: []string{"HOME=" + dir + "/home"}, Programs: programs(t, filepath.Join(dir, program))}) {
			rel, err := filepath.Rel(dir, e.Path)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Kind+" "+rel)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q", program, got)
		}
	}
	envs := Find(Query{Env: []string{"HOME=" + dir + "/home", "PYTHONNOUSERSITE=1"}, Programs: programs(t, filepath.Join(dir, "opt/python/bin/python3"))})
	if len(envs) != 1 {
		t.Fatalf("there are %d environments", len(envs))
	}
	if envs[0].Read(Cache{}, nil); list(envs[0]) != "{\"name\":\"x\",\"version\":\"1\"},\n{\"name\":\"y\",\"version\":\"2\"}\n" || envs[0].Python != "3.11" {
		t.Errorf("%+v\n%s", envs[0].Environment, list(envs[0]))
	}
}

func TestR(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, dir, map[string]string{
		"lib/R/library/base/DESCRIPTION": "Package: base\nVersion: 4.3.1\n", "bin/Rscript": "",
		"mine/4.3/ggplot2/DESCRIPTION": "Package: ggplot2\nRemoteUrl: https://u:" + token + "@x\nVersion: 3.4.4\n", "mine/4.3/00LOCK-x/DESCRIPTION": "Version: 1", "mine/4.3/odd name/DESCRIPTION": "Version: 1",
		"mine/4.3/bad/DESCRIPTION": "Version: " + token + "@\n", "mine/4.3/empty/": "", "work/renv/library/linux/R-4.3/x86_64/dplyr/DESCRIPTION": "Version: 1.1.4\n",
	})
	var got []string
	for _, e := range Find(Query{Dir: dir + "/work", Env: []string{"R_LIBS=relative:" + dir + "/none", "R_LIBS_USER=" + dir + "/mine/%v"}, Programs: programs(t, dir+"/bin/Rscript")}) {
		e.Read(Cache{}, nil)
		got = append(got, fmt.Sprint(e.Kind, " ", e.By, " ", e.LeftOut, " ", list(e)))
	}
	want := []string{"R R_LIBS_USER 2 {\"name\":\"ggplot2\",\"version\":\"3.4.4\"}\n", "R renv 0 {\"name\":\"dplyr\",\"version\":\"1.1.4\"}\n", "R program 0 {\"name\":\"base\",\"version\":\"4.3.1\"}\n"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestCache reads a list again only when something has changed.
func TestCache(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	files.Write(t, dir, condaFiles())
	read := func() *Environment {
		e := Find(Query{Env: []string{"CONDA_PREFIX=" + dir}})[0]
		e.Read(Cache{Dir: cache}, nil)
		return e
	}
	fresh := read()
	if _, err := os.Stat(cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that has just been changed is kept: %v", err)
	}
	time.Sleep(settled + 100*time.Millisecond)
	Find(Query{Env: []string{"CONDA_PREFIX=" + dir}})[0].Read(Cache{Dir: cache, Secret: func(b []byte) bool { return strings.Contains(string(b), "numpy") }}, nil)
	if _, err := os.Stat(cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a list with a secret is kept: %v", err)
	}
	read()
	files, err := os.ReadDir(cache)
	if err != nil || len(files) != 1 {
		t.Fatalf("the cache has %v: %v", files, err)
	}
	file := filepath.Join(cache, files[0].Name())
	content, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(content), token) {
		t.Fatalf("%s: %v", content, err)
	}
	kept := read()
	if list(kept) != list(fresh) || kept.Environment != fresh.Environment || kept.list.packages != nil {
		t.Errorf("the cache has %+v\n%s", kept.Environment, list(kept))
	}
	for _, bad := range []string{"", "{}", string(content) + " ", strings.Replace(string(content), "numpy", "numbers", 1), strings.Replace(string(content), dir, "/elsewhere", 1)} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if e := read(); list(e) != list(fresh) || e.list.packages == nil {
			t.Errorf("a damaged file is used: %s", list(e))
		}
	}
	site := filepath.Join(dir, "lib/python3.11/site-packages")
	if err := os.Rename(filepath.Join(site, "Flask_Login-0.6.3.dist-info"), filepath.Join(site, "Flask_Login-0.6.4.dist-info")); err != nil {
		t.Fatal(err)
	}
	if e := read(); !strings.Contains(list(e), `"0.6.4"`) {
		t.Errorf("a change is not seen: %s", list(e))
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range mostCached + 5 {
		path := filepath.Join(dir, fmt.Sprintf("%02d", i))
		at := time.Now().Add(time.Duration(i-1000) * time.Hour)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	prune(dir)
	if list, err := names(dir); err != nil || len(list) != mostCached || list[0] != "05" {
		t.Errorf("it has %q: %v", list, err)
	}
}

func TestModules(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"gcc/12.2.0:Python/3.10.4-GCCcore-11.3.0:libstdc++:": {"gcc/12.2.0", "Python/3.10.4-GCCcore-11.3.0", "libstdc++"},
		"gcc/12:https://u:" + token + "@host":                nil, "a:TOKEN=" + token: nil, "a\n:b": nil, "/etc/passwd": nil, "-x": nil, "a:" + strings.Repeat("x", 300): nil, "b\xff": nil,
	} {
		got, why := Modules(value)
		if !slices.Equal(got, want) || (why == "") != (want != nil) {
			t.Errorf("%q has %q: %q", value, got, why)
		}
	}
	if got, why := Modules(strings.Repeat("a:", record.MostModules+1)); len(got) != record.MostModules || why == "" {
		t.Errorf("there are %d: %q", len(got), why)
	}
}
