package program_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"qme/internal/program"
	"qme/tests/await"
)

const itselfVariable = "QME_TEST_ITSELF"

// TestItself is its own child, which prints where it is and whether it leads a session.
func TestItself(t *testing.T) {
	if os.Getenv(itselfVariable) != "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		if sid, err := unix.Getsid(0); err != nil || sid != os.Getpid() {
			t.Fatalf("the session is %d of process %d", sid, os.Getpid())
		}
		_, _ = io.WriteString(os.Stdout, dir+"\n")
		return
	}
	dir := t.TempDir()
	cmd, err := program.Itself(t.Context(), dir, "-test.run=^TestItself$")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), itselfVariable+"=1")
	out, err := cmd.CombinedOutput()
	if line, _, _ := strings.Cut(string(out), "\n"); err != nil || line != dir {
		t.Errorf("it printed %s, and not %s: %v", out, dir, err)
	}
}

// A child that has ended while this process goes on is gone.
func TestDetach(t *testing.T) {
	cmd := exec.Command("true")
	if err := program.Detach(cmd); err != nil {
		t.Fatal(err)
	}
	await.That(t, "its end, after which it is no zombie", func() bool { return errors.Is(syscall.Kill(cmd.Process.Pid, 0), syscall.ESRCH) })
	if err := program.Detach(exec.Command("/nowhere/at/all")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}
