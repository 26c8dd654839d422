package worktree

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"qme/tests/require"
)

// plenty is a budget that no test uses up.
const plenty = 30 * time.Second

// A world is a repository made by the git program, with a configuration of its
// own around it.
type world struct {
	testing.TB
	dir string // the working tree
	log string // what was done, for messages
}

// newWorld returns an empty folder in which git finds no settings of the user's.
func newWorld(t testing.TB) *world {
	t.Helper()
	require.Component(t, "git") // the answers are compared with its own
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "GIT_CONFIG_NOSYSTEM": "1",
		"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
		"GIT_CEILING_DIRECTORIES": "", "LC_ALL": "C",
	} {
		t.Setenv(name, value)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, dir: filepath.Join(dir, "repo")}
	w.mkdir(".")
	return w
}

// at returns the same world with the working tree at path, relative to the present.
func (w *world) at(path string) *world {
	return &world{TB: w.TB, dir: filepath.Join(w.dir, path), log: w.log}
}

func (w *world) try(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always", "-c", "maintenance.auto=false"}, args...)...)
	cmd.Dir = w.dir
	out, err := cmd.CombinedOutput()
	return strings.TrimRight(string(out), "\n"), err
}

func (w *world) git(args ...string) string {
	w.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// stdin runs git with input.
func (w *world) stdin(input string, args ...string) string {
	w.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin, cmd.Stderr = w.dir, strings.NewReader(input), os.Stderr
	out, err := cmd.Output()
	w.must(err)
	return strings.TrimSpace(string(out))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }
func (w *world) mkdir(name string)       { w.Helper(); w.must(os.MkdirAll(w.path(name), 0o755)) }
func (w *world) remove(name string)      { w.Helper(); w.must(os.RemoveAll(w.path(name))) }

func (w *world) write(name, content string) {
	w.Helper()
	w.mkdir(filepath.Dir(name))
	w.must(os.WriteFile(w.path(name), []byte(content), 0o644))
}

func (w *world) read(name string) string {
	w.Helper()
	b, err := os.ReadFile(w.path(name))
	w.must(err)
	return string(b)
}

// age sets a file's time to long ago, so that it is not racy.
func (w *world) age(name string) {
	w.Helper()
	old := time.Now().Add(-time.Hour)
	w.must(os.Chtimes(w.path(name), old, old))
}

// files is what a fresh repository of populate tracks.
var files = map[string]string{
	"README": "about\n", "src/main.c": "int main\n", "src/lib/a.c": "aaaa\n", "src/lib/b.c": "bbbb\n",
	"src.txt": "sorted between\n", "data/empty": "", "data/one": "1\n", "run.sh": "#!/bin/sh\n",
}

// populate makes a repository with one commit. Its files are an hour old.
func (w *world) populate() {
	w.Helper()
	w.git("init", "-q", "-b", "main")
	for name, content := range files {
		w.write(name, content)
		w.age(name)
	}
	w.must(os.Chmod(w.path("run.sh"), 0o755))
	w.must(os.Symlink("README", w.path("link")))
	w.git("add", ".")
	w.git("commit", "-qm", "first")
}

// What State may answer beside what git says.
type tolerance int

const (
	exact  tolerance = iota
	mayNil           // nil is allowed
	isNil            // nothing but nil is right
)

// says is git's own answer for the directory. Without optional locks git leaves
// the index, and so what comes next, alone.
func (w *world) says() (commit, branch, status string) {
	w.Helper()
	out := w.git("--no-optional-locks", "status", "--porcelain=v2", "--branch", "-uno")
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "# branch.oid "); ok {
			commit = strings.TrimSuffix(strings.TrimSpace(rest), "(initial)")
		} else if rest, ok := strings.CutPrefix(line, "# branch.head "); ok {
			branch = strings.TrimSuffix(strings.TrimSpace(rest), "(detached)")
		} else if !strings.HasPrefix(line, "# ") {
			status += line
		}
	}
	return commit, branch, status
}

// check compares State with what git says of the same directory, and returns
// whether git says that it is dirty.
func (w *world) check(tol tolerance) (dirty bool) {
	w.Helper()
	got := State(w.dir, plenty)
	if got == nil {
		w.Fatalf("State found no repository\n%s", w.log)
	}
	commit, branch, status := w.says()
	if got.Commit != commit || got.Branch != branch {
		w.Errorf("State is at %q on %q, git at %q on %q\n%s", got.Commit, got.Branch, commit, branch, w.log)
	}
	switch {
	case got.Dirty == nil && tol == exact:
		w.Errorf("State does not know; git says %q\n%s", status, w.log)
	case got.Dirty != nil && tol == isNil:
		w.Errorf("State says %v and cannot know; git says %q\n%s", *got.Dirty, status, w.log)
	case got.Dirty != nil && *got.Dirty != (status != ""):
		w.Errorf("State says %v; git says %q\n%s", *got.Dirty, status, w.log)
	}
	return status != ""
}

// checkIs is check where git, too, has to give the answer want.
func (w *world) checkIs(want string, tol tolerance) {
	w.Helper()
	if dirty := w.check(tol); want != "" && dirty != (want == "dirty") {
		w.Errorf("the situation is not what it is meant to be: git says dirty=%v, want %s", dirty, want)
	}
}
