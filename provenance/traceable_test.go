package provenance

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"qme/provenance/trace"
)

// TestGainsNone refuses what a trace would keep from gaining privileges.
func TestGainsNone(t *testing.T) {
	bin := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o755, "owned": 0o755 | os.ModeSetuid, "grouped": 0o755 | os.ModeSetgid, "apptainer": 0o755} {
		path := filepath.Join(bin, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // the umask counts for a new file
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		argv    []string
		refused bool
	}{
		{[]string{"plain"}, false}, {[]string{"owned"}, true}, {[]string{"grouped"}, true}, {[]string{filepath.Join(bin, "owned"), "x"}, true},
		{[]string{"apptainer", "exec", "image", "true"}, true}, {[]string{"env", "A=b", "owned"}, true},
		{[]string{"sh", "-c", "plain && owned"}, true}, {[]string{"sh", "-c", "plain | plain"}, false}, {[]string{"no-such"}, false},
	} {
		err := gainsNone(Command{Dir: bin, Argv: test.argv, Env: []string{"PATH=" + bin + ":/bin:/usr/bin"}})
		if (err != nil) != test.refused || err != nil && !errors.Is(err, trace.ErrUnsupported) {
			t.Errorf("%q: %v", test.argv, err)
		}
	}
}
