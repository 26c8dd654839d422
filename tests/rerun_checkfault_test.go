package tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qme/tests/require"
)

// TestCheckWithoutRoom has a disk on which there is no room for the copy that a check needs: nothing is run,
// and the file is as it was. The same holds where no file can be renamed.
func TestCheckWithoutRoom(t *testing.T) {
	require.Component(t, "root")
	h := newHome(t)
	h.cwd = filepath.Join(filepath.Dir(h.dir), "work")
	if err := os.Mkdir(h.cwd, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, h.cwd, "-t", "tmpfs", "-o", "size=4m", "tmpfs")
	file := filepath.Join(h.cwd, "db")
	if err := os.WriteFile(file, bytes.Repeat([]byte("row\n"), 700_000), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("-q", "run", "sh", "-c", "printf more >> $1; : $1", "sh", "db")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	same := func() {
		t.Helper()
		if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, before) {
			t.Errorf("the file has %d bytes, not %d: %v", len(b), len(before), err)
		}
		if left, err := filepath.Glob(filepath.Join(h.cwd, ".qme*")); err != nil || len(left) > 0 {
			t.Errorf("left are %v, %v", left, err)
		}
	}
	if out, errs, code := h.run("rerun", "--check"); code != 5 || out != "" || !strings.Contains(errs, "no space left") {
		t.Errorf("without room it ends with %d: %s%s", code, out, errs)
	}
	same()
	remount := func(options string) {
		t.Helper()
		if out, err := exec.Command("mount", "-o", "remount,"+options, h.cwd).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	remount("ro")
	if out, errs, code := h.run("rerun", "--check"); code != 5 || out != "" || !strings.Contains(errs, "read-only") {
		t.Errorf("on a disk that is only read it ends with %d: %s%s", code, out, errs)
	}
	same()
	remount("rw,size=16m")
	if out, errs, code := h.run("rerun", "--check"); code == 5 {
		t.Errorf("with room it ends with %d: %s%s", code, out, errs)
	}
	same()
	h.verify()
}
