package program

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// Itself returns this program as a command in a folder, in a new session, so that no key
// at a terminal ends it. It is killed when ctx ends. If another file has taken the place of this program's, as after an
// update, that is run. If there is none any more, this program is run nevertheless where the system allows it.
func Itself(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(exe); err != nil {
		exe = running(exe)
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// Detach starts a command that may outlive this process. Its result is not reported. It
// leaves no zombie in this process.
func Detach(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}
