package program

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// Itself returns this program as a command in a folder, in a session of its own, so that no
// key at a terminal ends it. It is killed when ctx ends.
func Itself(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// Detach starts a command that may outlive this process. How it ends is not reported, and
// where this process is still there it leaves no zombie.
func Detach(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}
