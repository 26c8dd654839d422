package docs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"qme/tests/require"
)

// root is the project's folder, seen from this package's.
const root = "../.."

// scratch holds what the tests of this package share.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "docs"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		if err := os.RemoveAll(scratch); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}())
}

// buildQME builds the program once and returns the folder that holds it.
var buildQME = sync.OnceValues(func() (string, error) {
	if err := touchSources(); err != nil {
		return "", err
	}
	bin := filepath.Join(scratch, "bin")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(bin, "qme"), ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build qme: %w\n%s", err, out)
	}
	return bin, nil
})

// touchSources looks into every folder of the project, so that go test sees that
// the result depends on it and does not repeat an earlier one after a change:
// the build reads the sources in a process of its own.
func touchSources() error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() != ".." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
}

func qme(t *testing.T) string {
	t.Helper()
	require.Component(t, "go", "git", "bash")
	bin, err := buildQME()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestTranscripts runs what README.md and docs/ show.
func TestTranscripts(t *testing.T) {
	for _, name := range pages(t, "README.md", "docs/*.md") {
		t.Run(name, func(t *testing.T) {
			lines, err := readFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			transcripts, err := parseTranscripts(name, lines)
			if err != nil {
				t.Fatal(err)
			}
			runTranscripts(t, transcripts)
		})
	}
}

// runTranscripts runs the transcripts of one file, each as a subtest, in one
// home or in as many as they ask for.
func runTranscripts(t *testing.T, transcripts []transcript) {
	var home string
	for _, tr := range transcripts {
		t.Run(fmt.Sprintf("line %d", tr.line), func(t *testing.T) {
			if tr.skip != "" {
				t.Skip(tr.skip)
			}
			if home == "" || tr.fresh {
				home = newHome(t)
			}
			s := shell{bin: qme(t), home: home, scratch: scratch}
			for _, failure := range check(s, tr) {
				t.Error(failure)
			}
		})
	}
}

// newHome returns a home that has the example of the documentation, as a reader has who has cloned the
// project there. It outlives the subtest that asks for it.
func newHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp(scratch, "home")
	if err != nil {
		t.Fatal(err)
	}
	if home, err = filepath.EvalSymlinks(home); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(home, "queueme", "docs", "example"), os.DirFS(filepath.Join(root, "docs", "example"))); err != nil {
		t.Fatal(err)
	}
	return home
}

// TestLinks follows the relative links of the project's pages.
func TestLinks(t *testing.T) {
	for _, name := range pages(t, "*.md", "docs/*.md") {
		t.Run(name, func(t *testing.T) {
			if err := brokenLinks(root, name); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCommandsExist compares docs/commands.md with the program's own help.
func TestCommandsExist(t *testing.T) {
	const name = "docs/commands.md"
	lines, err := readFile(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("there is no %s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(qme(t), "qme"), "--help")
	cmd.Env = append(os.Environ(), "HOME="+newHome(t), "QME_HOME="+newHome(t))
	help, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("qme --help: %v\n%s", err, help)
	}
	commands := helpCommands(string(help))
	found := mentions(lines)
	if len(found) == 0 {
		t.Errorf("%s names no command", name)
	}
	for _, m := range found {
		if !commands[m.name] {
			t.Errorf("%s:%d: qme --help does not list %q", name, m.line, m.name)
		}
	}
}

// pages returns the files that fit the patterns, by their paths under root.
func pages(t *testing.T, patterns ...string) []string {
	t.Helper()
	var names []string
	for _, pattern := range patterns {
		found, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) == 0 {
		t.Fatalf("no page fits %v", patterns)
	}
	return names
}
