package tests

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qme/tests/require"
)

// TestReleaseVersion: whoever builds a release from a tree without its history says which
// it is.
func TestReleaseVersion(t *testing.T) {
	require.Component(t, "go")
	exe := filepath.Join(t.TempDir(), "qme")
	build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-X qme/cli.release=v9.8.7", "-o", exe, "qme")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command(exe, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "qme v9.8.7 (format ") {
		t.Errorf("%v: %s", err, out)
	}
}
