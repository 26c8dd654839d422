// Package program runs other programs with bounds: on their time, on what they print, and on
// what they leave running.
package program

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// stragglers is how long the output of a program is awaited that has ended, or was
// killed, while another process still holds it.
const stragglers = time.Second

// Command returns a program that does not read the terminal. It leads a process group of its
// own, all of which is killed at the end of ctx: what the program has started goes with it. On
// Linux the program ends with this process as well, since a signal of the terminal does not
// reach its group. Wait returns exec.ErrWaitDelay a second after the program's end where another
// process still holds its output.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	withParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = stragglers
	return cmd
}

// A Buffer is a writer that keeps the first Most bytes. It is for one stream of a program.
type Buffer struct {
	Most int
	// Stop is called when there are more bytes, and is to end the program. If it is nil, they are
	// dropped.
	Stop func()

	// No embedded buffer, whose ReadFrom would know no bound.
	kept bytes.Buffer
	full bool
}

// Write implements io.Writer. With Stop it fails where there would be more than Most bytes, without
// it never.
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

// Bytes returns what was kept. It stays the buffer's.
func (b *Buffer) Bytes() []byte { return b.kept.Bytes() }

// Full reports whether there was more.
func (b *Buffer) Full() bool { return b.full }
