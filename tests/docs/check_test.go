package docs

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/tests/require"
)

// newShell has no qme in PATH: these tests are about bash.
func newShell(t *testing.T) shell {
	t.Helper()
	require.Component(t, "bash")
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return shell{bin: home, home: home, scratch: t.TempDir()}
}

func checkPage(t *testing.T, s shell, lines ...string) []string {
	t.Helper()
	transcripts, err := parse(t, lines...)
	if err != nil {
		t.Fatal(err)
	}
	var failures []string
	for _, tr := range transcripts {
		failures = append(failures, check(s, tr)...)
	}
	return failures
}

func TestTruthfulTranscripts(t *testing.T) {
	tests := map[string][]string{
		"output and error output, in order": {"$ echo a; echo b >&2; echo c", "a", "b", "c"},
		"one shell for the block":           {"$ mkdir d; cd d; x=1", "$ echo $x; basename $PWD", "1", "d"},
		"exit code of the step before":      {"$ (exit 3)", "$ echo $?", "3"},
		"continued":                         {"$ cat <<END", "> it's", "> END", "it's"},
		"failing last step":                 {"$ false"},
		"home":                              {"$ pwd; echo $QME_HOME", "/home/user", "/home/user/.qme"},
		"anything":                          {"$ seq 9", "1", "...", "9"},
		"syntax error of one step":          {"$ echo 'a", "...", "$ echo b", "b"},
		"no terminal":                       {"$ test -t 0 || test -t 1 || echo none", "none"},
		"a background process":              {"$ sleep 1000 &", "$ echo a", "a"},
	}
	for name, lines := range tests {
		t.Run(name, func(t *testing.T) {
			block := append(append([]string{"'''console"}, lines...), "'''")
			for _, failure := range checkPage(t, newShell(t), block...) {
				t.Error(failure)
			}
		})
	}
}

func TestFalseTranscripts(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string // in the one failure
	}{
		{"other output", []string{"$ true", "$ echo a; echo b", "a", "c"}, []string{"p.md:3: $ echo a; echo b", "  a\n- c\n+ b"}},
		{"no output", []string{"$ true", "a"}, []string{"p.md:2: $ true", "- a"}},
		{"unexpected error", []string{"$ ls absent"}, []string{"p.md:2:", "+ ls: "}},
		{"shell ends with success", []string{"$ exit 0", "$ echo a", "a"}, []string{"p.md:3: $ echo a", "ended before this command"}},
		{"shell ends in the last step", []string{"$ echo a", "a", "$ echo why; exit 4"}, []string{"p.md:4:", "ended in this command", "why"}},
		{"shell is killed", []string{"$ kill -9 $$"}, []string{"p.md:2:", "ended in this command", "killed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			block := append(append([]string{"'''console"}, tt.lines...), "'''")
			failures := checkPage(t, newShell(t), block...)
			if len(failures) != 1 {
				t.Fatalf("%d failures, want 1: %q", len(failures), failures)
			}
			for _, want := range tt.want {
				if !strings.Contains(failures[0], want) {
					t.Errorf("failure %q does not hold %q", failures[0], want)
				}
			}
		})
	}
}

func TestBlocksShareTheHomeOnly(t *testing.T) {
	failures := checkPage(t, newShell(t),
		"'''console", "$ echo kept > file; x=1; cd /", "'''",
		"'''console", "$ cat file; echo x=$x", "kept", "x=", "'''")
	for _, failure := range failures {
		t.Error(failure)
	}
}

func TestTranscriptsDoNotSeeTheDeveloper(t *testing.T) {
	t.Setenv("QME_CONFIG_SECRET", "mine")
	t.Setenv("GIT_DIR", "/mine")
	failures := checkPage(t, newShell(t),
		"'''console", "$ env | grep -c -e SECRET -e GIT_DIR", "0", "'''")
	for _, failure := range failures {
		t.Error(failure)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	s := newShell(t)
	pipe := filepath.Join(s.home, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, failure := range checkPage(t, s, "'''console", "$ exec 9>pipe", "$ sleep 1000 &", "'''") {
		t.Error(failure)
	}
	// The pipe ends when the last process that holds it has.
	if err := r.SetReadDeadline(time.Now().Add(hang)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil {
		t.Errorf("read %q, %v: a process is left", b, err)
	}
}

// A program in the shell's own folder goes before one of the same name.
func TestOwnProgramFirst(t *testing.T) {
	s := newShell(t)
	if err := os.WriteFile(filepath.Join(s.bin, "ls"), []byte("#!/bin/sh\necho own\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, failure := range checkPage(t, s, "'''console", "$ ls", "own", "'''") {
		t.Error(failure)
	}
}
