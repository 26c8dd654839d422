package require_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"qme/tests/require"
)

// subject names the environment variable with the components that TestSubject
// asks for. Only a process of its own shows how a test ends.
const subject = "REQUIRE_TEST_SUBJECT"

func TestSubject(t *testing.T) {
	names := "sh"
	if s, set := os.LookupEnv(subject); set {
		names = s
	}
	require.Component(t, strings.Fields(names)...)
	t.Log("the test went on")
}

func TestComponent(t *testing.T) {
	const absent = "qme-no-such-program"
	tests := []struct {
		name     string
		need     string
		required string
		want     string // how the test ends
		says     string
	}{
		{"there", "sh", "", "PASS", "the test went on"},
		{"there and required", "sh", "sh", "PASS", "the test went on"},
		{"missing", absent, "", "SKIP", "this test needs " + absent},
		{"missing and another required", absent, "sh,git", "SKIP", "this test needs " + absent},
		{"missing and required", absent, absent, "FAIL", require.Variable + " requires " + absent},
		{"missing and required among others", absent, "sh, " + absent + " ,git", "FAIL", require.Variable + " requires " + absent},
		{"a longer name is required", absent, absent + "-2", "SKIP", "this test needs " + absent},
		{"second of two missing", "sh " + absent, absent, "FAIL", require.Variable + " requires " + absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(testBinary(t), "-test.run=^TestSubject$", "-test.v")
			cmd.Env = append(os.Environ(), subject+"="+tt.need, require.Variable+"="+tt.required)
			checkEnd(t, cmd, tt.want, tt.says)
		})
	}
}

func TestRoot(t *testing.T) {
	run := func(t *testing.T, required string, uid uint32, want, says string) {
		cmd := exec.Command(testBinary(t), "-test.run=^TestSubject$", "-test.v")
		cmd.Dir = "/"
		cmd.Env = append(os.Environ(), subject+"=root", require.Variable+"="+required)
		if uid != 0 && os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		}
		checkEnd(t, cmd, want, says)
	}
	t.Run("as root", func(t *testing.T) {
		require.Component(t, "root")
		run(t, "root", 0, "PASS", "the test went on")
	})
	t.Run("as a user", func(t *testing.T) {
		run(t, "git", 65534, "SKIP", "does not run as root")
		run(t, "root", 65534, "FAIL", "does not run as root")
	})
}

// testBinary returns the path of this test's binary. Where it runs as root, it
// is a copy that every user may execute: go test keeps its own in a folder that
// may be closed to them.
func testBinary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return self
	}
	dir, err := os.MkdirTemp("", "require")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/test", b, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir + "/test"
}

func checkEnd(t *testing.T, cmd *exec.Cmd, want, says string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if failed := err != nil; failed != (want == "FAIL") {
		t.Errorf("the test binary ended with %v, want %s", err, want)
	}
	if !strings.Contains(string(out), "--- "+want+": TestSubject") || !strings.Contains(string(out), says) {
		t.Errorf("want %s that says %q; output:\n%s", want, says, out)
	}
}
