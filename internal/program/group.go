// Package program runs other programs with limits on their time, their output, and the
// processes that they leave running.
package program

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// stragglers is the time to wait for the output of a program that has ended or was killed
// while another process keeps the output open.
const stragglers = time.Second

// Command returns a program that does not read the terminal. It leads a process group of
// its own. When ctx ends, the whole group is killed, including processes that the program
// started. On Linux the program also ends with this process, since terminal signals do
// not reach its group. Wait returns exec.ErrWaitDelay if another process still keeps the
// output open a second after the program has ended.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	withParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = stragglers
	return cmd
}

// A Buffer is a writer that keeps the first Most bytes of one stream of a program.
type Buffer struct {
	Most int
	// Stop is called if there are more bytes, and should end the program. If it is nil,
	// further bytes are dropped.
	Stop func()

	// Not embedded, since its ReadFrom would ignore the limit.
	kept bytes.Buffer
	full bool
}

// Write implements io.Writer. It fails if there are more than Most bytes and Stop is set;
// without Stop it never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	fits := min(len(p), b.Most-b.kept.Len())
	b.kept.Write(p[:fits])
	if fits == len(p) {
		return len(p), nil
	}
	b.full = true
	if b.Stop == nil {
		return len(p), nil
	}
	b.Stop()
	return fits, io.ErrShortWrite
}

// Bytes returns the kept bytes, which belong to the buffer.
func (b *Buffer) Bytes() []byte { return b.kept.Bytes() }

// Full reports whether there were more bytes.
func (b *Buffer) Full() bool { return b.full }
