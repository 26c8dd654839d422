package spool

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreaped looks at a process that has ended and whose parent has not asked, as in a
// container whose first process never does.
func TestUnreaped(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start, ended, err := processStart(cmd.Process.Pid)
	if err != nil || ended {
		t.Errorf("a process that lives: ended %v, %v", ended, err)
	}
	o := owner{PID: cmd.Process.Pid, Start: start}
	if v := o.look(); v != alive {
		t.Errorf("the verdict is %v, want alive", v)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, o.PID, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if v := o.look(); v != dead {
		t.Errorf("the verdict on one that has ended is %v, want dead", v)
	}
	_ = cmd.Wait() // it was killed
	if v := o.look(); v != dead {
		t.Errorf("the verdict on one that is gone is %v, want dead", v)
	}
}
