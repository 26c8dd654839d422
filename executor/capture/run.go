// Package capture runs a command and records its output. The command, the terminal and the
// shell see the same as without it: the exit code, bytes, signals, job control and, as far as
// possible, speed.
//
// There are two ways to run a command. When standard output is not a terminal
// (pipe mode) each stream passes through a pipe of its own. When it is a terminal
// (terminal mode) the command gets a pseudo-terminal in a session of its own, kept
// by a second process, the monitor, without which Ctrl-Z could not work. A third
// role, the relay, appears only when a background process outlives its command
// and still holds its output. Both are this program, started again: see Helper.
package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"qme/record"
)

const (
	defaultDrain     = 200 * time.Millisecond
	defaultKillGrace = 5 * time.Second
)

// A Spec says which command to run and where its streams go. Run does not change it.
type Spec struct {
	// Cmd is the argument vector, passed untouched. It must not be empty.
	// Cmd[0] is looked up as execvp(3) does, with the PATH of Env.
	Cmd []string
	// Dir is the working directory; empty means the present one.
	Dir string
	// Env is the environment; nil means os.Environ(). PWD is not set for Dir.
	Env []string

	// Mark is an entry of Env, NAME=value, that no other command has. By it a cancel finds
	// processes that have left the command's session and lost their parents.
	Mark string

	// Stdin, Stdout and Stderr are the caller's own streams, which Run does
	// not close. A nil Stdin reads as empty; to a nil Stdout or Stderr nothing
	// is passed on.
	Stdin, Stdout, Stderr *os.File
	// Quiet records without passing anything on to Stdout and Stderr. The
	// command still gets a terminal where they are one, so that it behaves
	// the same.
	Quiet bool

	// Out and Err record the two streams; nil records nothing. Each is written
	// from one goroutine at a time and never after Run has returned. Bytes are
	// recorded before they are passed on. After an error a writer is not used again, and
	// the command goes on: see Result.RecordErr.
	Out, Err io.Writer

	// OnStart is called once, from Run's goroutine, when the command runs. It
	// is not called for a command that cannot be started.
	OnStart func(pid int)

	// Drain is for how long after the command's end output is still read
	// that another process holds open. Zero means 200 ms.
	Drain time.Duration
	// KillGrace is the time between SIGTERM and SIGKILL on cancel. Zero means
	// 5 s.
	KillGrace time.Duration
}

// A Result says how a command ended.
type Result struct {
	// PID is 0 when the command could not be started.
	PID int
	// ReturnCode is the exit code; 128+n when signal n ended the command, 127
	// when it was not found and 126 when it could not be executed.
	ReturnCode int
	// Signal names the signal that ended the command, such as "SIGTERM".
	Signal string
	// Duration is the time from the command's start to its end, without the
	// draining of output of other processes.
	Duration time.Duration
	// Usage is of the command and of those descendants that it waited for; nil
	// when the command could not be started. MaxRSS is 0 where it was about as much as
	// this process itself had occupied when it started the command, or less: the kernel
	// counts that as the command's.
	Usage *record.Usage
	// Cancelled says that the context ended the command.
	Cancelled bool
	// Merged says that standard output and standard error were one terminal, pipe, socket
	// or file, and are both in Spec.Out.
	Merged bool
	// PassErr says why output could not be passed on, to a full disk say: the command
	// itself could not learn it. A reader that has gone is no error.
	PassErr error
	// RecordErr is the errors of Out and Err, nil when all is recorded.
	RecordErr error
}

// Run runs the command to its end and reports how it ended. While it runs, signals
// to this process are passed on to the command as far as they would not
// reach it anyway, and do not end this process. Only one Run at a time may have a
// terminal.
//
// When ctx is cancelled, everything the command started gets SIGTERM, and SIGKILL
// after KillGrace; Run returns when it has ended.
//
// A command that cannot be started is not an error: the code is 127 or 126, and
// the message that a shell would print is on Stderr and in Err. An error means that
// the command was not run or not seen to its end, because of something that is not
// the command's: no working directory, no descriptors, a monitor that was killed.
// It wraps record.ErrInvalid for an empty Cmd and record.ErrNotFound for a missing
// Dir.
func Run(ctx context.Context, s Spec) (*Result, error) {
	if len(s.Cmd) == 0 {
		return nil, fmt.Errorf("run: %w command: it is empty; name a program", record.ErrInvalid)
	}
	if err := checkDir(s.Dir); err != nil {
		return nil, err
	}
	e, err := newExecution(s)
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(s) // its files own the descriptors that e uses
	defer e.close()
	defer reapOrphans()()
	if err := e.run(ctx); err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Cmd[0], err)
	}
	e.res.RecordErr = errors.Join(e.outSink.err, e.errSink.err)
	return &e.res, nil
}

// checkDir reports a missing folder, which would look like a missing command: both are ENOENT
// of execve(2).
func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	switch st, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("working directory %s: %w: create it, or name another", dir, record.ErrNotFound)
	case err != nil:
		return fmt.Errorf("working directory: %w", err)
	case !st.IsDir():
		return fmt.Errorf("working directory %s: %w: it is not a folder; name another", dir, record.ErrInvalid)
	}
	return nil
}
