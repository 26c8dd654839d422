package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/record"
	"qme/tests/await"
	"qme/tests/require"
)

// A home is a home of qme in a folder of the test, and qme as a process of its own.
type home struct {
	t   testing.TB
	dir string
	env []string // beside the one of the test
	cwd string   // where commands run; "" where the test does
	// shell starts them, if it is not empty: "$0" "$@" is the command.
	shell string
}

func newHome(t testing.TB) *home {
	t.Helper()
	return &home{t: t, dir: filepath.Join(sharedDir(t), "home")}
}

// sharedDir returns a new folder. It is t.TempDir for processes that may end a moment after
// the test, as a run that records its end when the program that waited for it has gone.
func sharedDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qme-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var err error
		if !await.Holds(func() bool { err = os.RemoveAll(dir); return err == nil }) {
			t.Error(err)
		}
	})
	return dir
}

// command prepares qme: this test binary under that name, see TestMain.
func (h *home) command(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0], cmd.Dir = "qme", h.cwd
	if h.shell != "" {
		// Under its own name it is the tests, and no longer qme.
		cmd = exec.Command("bash", append([]string{"-c", strings.ReplaceAll(h.shell, "exec ", "exec -a qme "), exe}, args...)...)
		cmd.Dir = h.cwd
	}
	cmd.Env = append(os.Environ(), "QME_HOME="+h.dir, "HOME="+filepath.Dir(h.dir), "USER=tester", "GIT_CONFIG_NOSYSTEM=1", "QME_RUN_SUMMARY=always")
	cmd.Env = append(cmd.Env, h.env...)
	return cmd
}

// run runs qme and returns what it printed and its exit code.
func (h *home) run(args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	cmd := h.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return out.String(), errs.String(), codeOf(cmd.ProcessState)
}

// codeOf returns the exit code of a process as a shell has it: of one that a signal has
// ended, 128 and the signal's number.
func codeOf(p *os.ProcessState) int {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.ExitCode()
}

// must is run for what has to succeed. It returns stdout.
func (h *home) must(args ...string) string {
	h.t.Helper()
	out, errs, code := h.run(args...)
	if code != 0 {
		h.t.Fatalf("qme %s ended with %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// records returns all tasks, newest first.
func (h *home) records() []*record.Record {
	h.t.Helper()
	var list []*record.Record
	for line := range strings.Lines(h.must("ls", "--json")) {
		r := new(record.Record)
		if err := json.Unmarshal([]byte(line), r); err != nil {
			h.t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// runsOf returns all runs of a task, the first one first.
func (h *home) runsOf(id record.ID) (runs []*record.Record) {
	h.t.Helper()
	for line := range strings.Lines(h.must("log", "--json", string(id))) {
		r, err := record.Decode([]byte(line))
		if err != nil {
			h.t.Fatal(err)
		}
		runs = append(runs, r)
	}
	slices.Reverse(runs)
	return runs
}

// verify holds the history against qme's and git's own checks.
func (h *home) verify() {
	h.t.Helper()
	h.must("check")
	left, err := os.ReadDir(filepath.Join(h.dir, "running"))
	// A folder that was being made when its process was killed goes after a minute.
	left = slices.DeleteFunc(left, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".new-") })
	if err != nil || len(left) > 0 {
		h.t.Fatalf("the spool holds %v (%v)", left, err)
	}
	require.Component(h.t, "git")
	if out := h.fsck(); out != "" {
		h.t.Fatalf("git fsck: %s", out)
	}
}

// fsck returns what git has against the history, "" for nothing. What a run has started may still join packs,
// or begin to: git would not find those again that it has listed, so none does meanwhile.
func (h *home) fsck() string {
	h.t.Helper()
	dir := filepath.Join(h.dir, "tasks.git")
	for _, name := range []string{"qme-gc.lock", "qme-gc-beside.lock"} { // in the order of a gc that takes both
		lock, err := lockfile.Wait(h.t.Context(), afero.NewOsFs(), filepath.Join(dir, name), lockfile.Exclusive)
		if err != nil {
			h.t.Fatal(err)
		}
		defer lock.Close()
	}
	// Objects of a commit that was killed before it came to be are dangling. That
	// is no fault: "git gc" removes them.
	return gitIn(h.t, dir, "fsck", "--strict", "--no-dangling")
}
