// Package capture runs a command and records its output. For the command, the terminal
// and the shell, nothing changes: the exit code, bytes, signals, job control and, as far
// as possible, speed.
//
// There are two modes. If standard output is not a terminal (pipe mode), each stream
// passes through a pipe. If it is a terminal (terminal mode), the command gets a
// pseudo-terminal in a session of its own. A second process, the monitor, leads that
// session, since Ctrl-Z would not work without it. A third process, the relay, is started
// only if a background process outlives its command and keeps the output open. Both are
// this program, restarted: see Helper.
package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"qme/executor/capture/inlet"
	"qme/record"
)

const (
	defaultDrain     = 200 * time.Millisecond
	defaultKillGrace = 5 * time.Second
)

// A Spec describes the command to run and its streams. Run does not change it.
type Spec struct {
	// Cmd is the argument vector, passed unchanged. It must not be empty. Cmd[0] is
	// looked up like execvp(3), with the PATH of Env.
	Cmd []string
	// Dir is the working directory; empty means the current one.
	Dir string
	// Env is the environment; nil means os.Environ(). PWD is not adjusted to Dir.
	Env []string

	// Mark is an entry of Env, NAME=value, that is unique to this command. A cancel uses
	// it to find processes that have left the command's session and lost their parents.
	Mark string

	// Stdin, Stdout and Stderr are the streams of the caller, which Run does not close. A
	// nil Stdin reads as empty; nothing is passed on to a nil Stdout or Stderr.
	Stdin, Stdout, Stderr *os.File
	// Quiet records output without passing it on to Stdout and Stderr. The command still
	// gets a terminal if they are terminals, so that it behaves the same.
	Quiet bool
	// OneStream has standard output and standard error be one stream, as if those of the caller were.
	// It changes nothing for a command that gets a terminal.
	OneStream bool

	// Out and Err record the two streams; nil records nothing. Each is written from one
	// goroutine at a time and never after Run has returned. Bytes are recorded before
	// they are passed on. After an error a writer is not used again, and the command
	// continues: see Result.RecordErr.
	Out, Err io.Writer

	// Input, if not nil, makes a standard input that is a pipe pass through this process if no
	// other process can read from it, so that nothing is taken from another: see package inlet.
	// It gets what passes, from one goroutine at a time and never after Run has returned, and
	// must not wait or fail. Stdin is then used up.
	Input io.Writer

	// Stage, if not nil, makes the command start in this program, which calls the function that
	// was given to Helper with this descriptor, and then becomes the command.
	Stage *os.File

	// OnStart is called once, from the goroutine of Run, after the command has started.
	// It is not called for a command that cannot be started.
	OnStart func(pid int)

	// Drain is the time after the command's end for reading output that another process
	// keeps open. Zero means 200 ms.
	Drain time.Duration
	// KillGrace is the time between SIGTERM and SIGKILL on a cancel. Zero means 5 s.
	KillGrace time.Duration

	// Limit is how long the command may run; then its processes are ended as on a cancel. Zero means
	// no limit. The time for which they stood still does not count.
	Limit time.Duration
	// Control, if not nil, gets orders for the command until it has ended. The processes that a
	// cancel would end are stopped (SIGSTOP) and continued (SIGCONT), also those that appear
	// meanwhile. An order that changes nothing is ignored.
	Control <-chan Control
	// OnControl, if not nil, is called when the processes have been stopped, and when they go on, if
	// only to be ended. It is called from the goroutine of Run.
	OnControl func(Control)
}

// A Result is the result of a command.
type Result struct {
	// PID is 0 if the command could not be started.
	PID int
	// ReturnCode is the exit code; 128+n if signal n ended the command, 127 if it was not
	// found and 126 if it could not be executed.
	ReturnCode int
	// Signal is the name of the signal that ended the command, such as "SIGTERM".
	Signal string
	// Duration is the time from the start to the end of the command, without Stopped and without
	// draining the output of other processes.
	Duration time.Duration
	// Stopped is for how long the processes of the command stood still by Spec.Control.
	Stopped time.Duration
	// Usage covers the command and the descendants that it waited for; nil if the command
	// could not be started. MaxRSS is 0 if it was not clearly more than the peak of this
	// process at the start of the command, which the kernel counts as the command's. Read and
	// Written are 0 for a run of less than a second, and on macOS; the other fields are 0.
	Usage *record.Usage
	// Cancelled says that the context ended the command.
	Cancelled bool
	// TimedOut says that Spec.Limit ended it.
	TimedOut bool
	// Merged says that standard output and standard error were the same terminal, pipe,
	// socket or file, and are both in Spec.Out.
	Merged bool
	// PassErr is the error of passing output on, such as a full disk, which the command
	// itself could not notice. A reader that has exited is not an error.
	PassErr error
	// Passed is what has passed of a standard input that is a pipe; nil if it was left alone,
	// for the reason InputLeft: inlet.Shared, inlet.Unknown, or "" for other inputs.
	Passed    *inlet.Passed
	InputLeft string
	// RecordErr joins the errors of Out and Err; nil if all output is recorded.
	RecordErr error
}

// Run runs a command until it ends and returns its result. Meanwhile signals to this
// process do not end it, and are passed on to the command unless they reach it anyway.
// Only one Run at a time may have a terminal.
//
// If ctx is cancelled, all processes that the command started get SIGTERM, and SIGKILL
// after KillGrace; Run returns when they have ended.
//
// A command that cannot be started is not an error: the code is 127 or 126, and the
// message that a shell would print is on Stderr and in Err. An error means that the
// command was not run, or its end not observed, for reasons other than the command: no
// working directory, no descriptors, a killed monitor. It wraps record.ErrInvalid for an
// empty Cmd and record.ErrNotFound for a missing Dir.
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
	defer runtime.KeepAlive(s) // the files own the descriptors that e uses
	defer e.close()
	defer reapOrphans()()
	if err := e.run(ctx); err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Cmd[0], err)
	}
	e.res.RecordErr = errors.Join(e.outSink.err, e.errSink.err)
	return &e.res, nil
}

// checkDir returns an error for a missing folder, which would look like a missing
// command: both are ENOENT of execve(2).
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
