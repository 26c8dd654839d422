package ask

import (
	"os/exec"
	"syscall"
)

// group makes a command, which is not started yet, the leader of a process group of its own,
// all of which ends with its context: what a program has started goes with it. It is for
// programs that do not read the terminal.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	withParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
