package tests

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"qme/tests/require"
)

// TestSummary looks at standard error where it is a terminal and where it is a file, between which the
// default, run.summary = auto, makes a difference.
func TestSummary(t *testing.T) {
	t.Parallel()
	require.Component(t, "sh")
	const own = "from the command\n"
	for name, test := range map[string]struct {
		setting  string
		options  []string
		terminal bool // what is said on a terminal
		file     bool
	}{
		"auto":   {setting: "auto", terminal: true},
		"always": {setting: "always", terminal: true, file: true},
		"never":  {setting: "never"},
		"quiet":  {setting: "always", options: []string{"-q"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.env = append(h.env, "QME_RUN_SUMMARY="+test.setting)
			for _, words := range [][]string{{"run", "sh", "-c", "echo from the command >&2"}, {"rerun", "@1"}} {
				words = append(test.options, words...)
				for place, want := range map[string]bool{h.onTerminal(words...): test.terminal, h.intoFile(words...): test.file} {
					said := strings.ReplaceAll(place, "\r\n", "\n")
					if !want && said != own {
						t.Errorf("%q: it says %q, and the command %q", words, said, own)
					}
					if want && (!strings.Contains(said, own) || !strings.HasSuffix(said, "][returncode: 0]\n")) {
						t.Errorf("%q: it says %q, without the line at its end", words, said)
					}
				}
			}
		})
	}
}

// onTerminal runs qme with a terminal as its standard error, and returns what that has got.
func (h *home) onTerminal(args ...string) string {
	h.t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		h.t.Fatal(err)
	}
	defer master.Close()
	cmd := h.command(args...)
	cmd.Stderr = slave
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		h.t.Fatal(err)
	}
	var said bytes.Buffer
	_, _ = io.Copy(&said, master) // ends with an error when the last one has closed the terminal
	if err := cmd.Wait(); err != nil {
		h.t.Errorf("%q: %v: %s", args, err, said.String())
	}
	return said.String()
}

// intoFile runs qme with a file as its standard error, and returns what that has got.
func (h *home) intoFile(args ...string) string {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "said")
	f, err := os.Create(path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	cmd := h.command(args...)
	cmd.Stderr = f
	if err := cmd.Run(); err != nil {
		h.t.Errorf("%q: %v", args, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}
