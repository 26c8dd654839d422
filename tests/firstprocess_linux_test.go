package tests

import (
	"syscall"
	"testing"

	"qme/tests/require"
)

// The first process of a container cannot be ended by the signal of its command.
func TestSignalOfTheFirstProcess(t *testing.T) {
	t.Parallel()
	require.Component(t, "root", "unshare")
	h := newHome(t)
	cmd := h.command("run", "sh", "-c", "kill -TERM $$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("qme as the first process ended with %v, want 143", cmd.ProcessState)
	}
}
