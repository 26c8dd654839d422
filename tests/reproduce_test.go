package tests

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"qme/tasks"
	"qme/tests/require"
)

// An analysis is the example of the documentation, in a folder of its own under git, with an environment,
// after its three runs.
type analysis struct {
	*home
	packages string // the folder of the packages of its environment
}

func newAnalysis(t *testing.T) *analysis {
	t.Helper()
	require.Component(t, "git", "awk")
	h := newHome(t)
	h.cwd = filepath.Join(filepath.Dir(h.dir), "hubble")
	if err := os.CopyFS(h.cwd, os.DirFS("../docs/example")); err != nil {
		t.Fatal(err)
	}
	venv := filepath.Join(filepath.Dir(h.dir), "venv")
	a := &analysis{home: h, packages: filepath.Join(venv, "lib", "python3.12", "site-packages")}
	a.write(filepath.Join(venv, "pyvenv.cfg"), "version = 3.12.3\n")
	a.write(filepath.Join(a.packages, "numpy-1.26.4.dist-info", "METADATA"), "Name: numpy\n")
	h.env = []string{"QME_RUN_GIT=10s", "VIRTUAL_ENV=" + venv, "TZ=UTC", "LC_ALL=C"}
	a.git("init", "--quiet")
	a.git("add", ".")
	a.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first")
	a.must("run", "sh", "clean.sh", "hubble.csv", "clean.csv")
	a.must("run", "sh", "fit.sh", "clean.csv", "fit.csv")
	a.must("run", "sh", "figure.sh", "clean.csv", "fit.csv", "figure.svg")
	for i, name := range []string{"figure", "fit", "clean"} {
		a.must("name", "@"+strconv.Itoa(i+1), name)
	}
	return a
}

func (a *analysis) write(path, text string) {
	a.t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.cwd, path)
	}
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// edit replaces a text in a file.
func (a *analysis) edit(name, old, text string) {
	a.t.Helper()
	was, err := os.ReadFile(filepath.Join(a.cwd, name))
	if err != nil || !strings.Contains(string(was), old) {
		a.t.Fatalf("%s has no %q: %v", name, old, err)
	}
	a.write(name, strings.Replace(string(was), old, text, 1))
}

func (a *analysis) git(args ...string) {
	a.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = a.cwd
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// upgrade puts a version of a package in the place of another one.
func (a *analysis) upgrade(from, to string) {
	a.t.Helper()
	if err := os.Rename(filepath.Join(a.packages, from+".dist-info"), filepath.Join(a.packages, to+".dist-info")); err != nil {
		a.t.Fatal(err)
	}
}

// A change is one thing that is changed about the analysis, which is whole again after undo.
type change struct {
	do, undo func(a *analysis)
	named    string // the kind and the name by which it is told, "" for nothing
	stale    bool   // whether that makes the figure stale unless more is asked for
	differs  string // the output that comes out otherwise then, if that is made again
}

// changes are by the word of what is changed.
var changes = map[string]change{
	"nothing": {func(*analysis) {}, func(*analysis) {}, "", false, ""},
	"the data": {func(a *analysis) { a.edit("hubble.csv", "1.0, 920", "1.0, 902") }, restoring("hubble.csv"),
		"inputs hubble.csv", true, "clean.csv"},
	"a comment": {func(a *analysis) { a.edit("fit.sh", "# fit.sh", "# Usage: fit.sh") }, restoring("fit.sh"), "script fit.sh", true, ""},
	"the code":  {func(a *analysis) { a.edit("figure.sh", `r=\"3\"`, `r=\"4\"`) }, restoring("figure.sh"), "script figure.sh", true, "figure.svg"},
	"what is not used": {func(a *analysis) { a.write("notes.txt", "to do\n"); a.git("add", "notes.txt") },
		func(a *analysis) { a.git("rm", "--quiet", "--force", "notes.txt") }, "code git", false, ""},
	"a package": {func(a *analysis) { a.upgrade("numpy-1.26.4", "numpy-2.1.0") }, func(a *analysis) { a.upgrade("numpy-2.1.0", "numpy-1.26.4") },
		"software numpy", false, ""},
	"the clock": {func(a *analysis) { a.env = append(a.env, "TZ=Asia/Tokyo") }, func(a *analysis) { a.env = a.env[:len(a.env)-1] }, "", false, ""},
	"the name of the host": {func(a *analysis) {
		require.Component(a.t, "root", "unshare", "hostname")
		if out, err := exec.Command("unshare", "--uts", "true").CombinedOutput(); err != nil {
			require.Missing(a.t, "unshare", string(out))
		}
		a.shell = `exec unshare --uts bash -c 'hostname gpu03 && exec "$0" "$@"' "$0" "$@"`
	}, func(a *analysis) { a.shell = "" }, "host host", false, ""},
}

func restoring(name string) func(*analysis) {
	return func(a *analysis) { a.git("checkout", "--quiet", name) }
}

// TestEachChangeIsNamed changes one thing after the other about an analysis: it is named, and nothing else
// but that the tree of git then differs from its commit.
func TestEachChangeIsNamed(t *testing.T) {
	a := newAnalysis(t)
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		t.Run(name, func(t *testing.T) {
			a.t = t
			c := changes[name]
			defer c.undo(a)
			c.do(a)
			if reasons := a.stale(tasks.Kinds...); len(reasons) > 1 || (c.named != "") != slices.Contains(reasons, c.named) {
				t.Errorf("the reasons are %q, not %q", reasons, c.named)
			}
			if reasons := a.stale(); c.stale != (len(reasons) > 0) {
				t.Errorf("without --by the reasons are %q", reasons)
			}
			reasons, differing := a.check()
			if len(reasons) > 1 || (c.named != "") != slices.Contains(reasons, c.named) {
				t.Errorf("the checks name %q, not %q", reasons, c.named)
			}
			if strings.Join(differing, " ") != c.differs {
				t.Errorf("the checks say that %q differ, not %q", differing, c.differs)
			}
		})
	}
}

// check checks the three runs of the analysis, and returns what was different before, and the files that
// differ. Nothing else must.
func (a *analysis) check() (reasons, differing []string) {
	a.t.Helper()
	out, errs, code := a.run("rerun", "--check", "--json", "clean", "fit", "figure")
	lines := 0
	for line := range strings.Lines(out) {
		lines++
		var c struct {
			Check   struct{ Output, Verdict string }
			Changed []struct{ Kind, Name string }
			Files   []struct{ Path, State string }
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			a.t.Fatalf("%v: %s", err, line)
		}
		for _, s := range c.Changed {
			reasons = append(reasons, s.Kind+" "+s.Name)
		}
		n := len(differing)
		for _, f := range c.Files {
			if f.State != "equal" {
				differing = append(differing, f.Path)
			}
		}
		if c.Check.Output != "equal" || (c.Check.Verdict == "reproduced") != (n == len(differing)) {
			a.t.Errorf("a check ended otherwise: %s", line)
		}
	}
	if lines != 3 || code != min(1, len(differing)) {
		a.t.Errorf("the checks ended with %d: %s%s", code, out, errs)
	}
	return onlyReasons(reasons), differing
}

// stale returns why the figure is stale, by kinds of reasons.
func (a *analysis) stale(kinds ...tasks.Kind) (reasons []string) {
	a.t.Helper()
	args := []string{"stale", "--json", "figure.svg"}
	if len(kinds) > 0 {
		var words []string
		for _, k := range kinds {
			words = append(words, string(k))
		}
		args = append(args, "--by", strings.Join(words, ","))
	}
	out, errs, code := a.run(args...)
	var found struct {
		State   string
		Reasons []struct{ Kind, Name string }
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || code > 1 || (found.State == "stale") != (code == 1) {
		a.t.Fatalf("stale ended with %d: %s%s%v", code, out, errs, err)
	}
	for _, r := range found.Reasons {
		reasons = append(reasons, r.Kind+" "+r.Name)
	}
	return onlyReasons(reasons)
}

// onlyReasons returns the reasons, each once. That git finds a tree dirty in which a script or an input has
// changed is none of its own.
func onlyReasons(reasons []string) []string {
	slices.Sort(reasons)
	reasons = slices.Compact(reasons)
	if len(reasons) > 1 {
		reasons = slices.DeleteFunc(reasons, func(r string) bool { return r == "code git" })
	}
	return reasons
}
