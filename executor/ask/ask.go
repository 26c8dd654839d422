// Package ask runs the programs that executors ask about jobs: with a time limit, a bound on
// their output, and errors that say what went wrong.
package ask

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"qme/internal/program"
	"qme/internal/safe"
	"qme/record"
)

// A Question is a program to be run.
type Question struct {
	Argv  []string
	Stdin []byte
	Env   []string // its environment; nil: that of this process
	// Limit is how long Run waits for it; 0: as long as the context.
	Limit time.Duration
	// Most is how many bytes Run reads of each stream; 0: 16 MiB.
	Most int
	// Unattended is for Show: no user waits at a terminal. The program reads nothing but Stdin,
	// and all that it starts ends with the context.
	Unattended bool
}

// An Answer is the output of a program and its exit code.
type Answer struct {
	Stdout, Stderr []byte
	Code           int // its exit code
}

// ErrLate says that a program was ended because it had not answered within its limit.
var ErrLate = errors.New("has not answered in time")

// defaultMost is how many bytes of each stream of an answer are read.
const defaultMost = 16 << 20

// Run runs a program to its end and returns its answer, whatever the exit code. The
// error wraps record.ErrUnavailable: the program is not there, did not end in time (ErrLate),
// was killed or printed too much, or ctx ended (its error).
func Run(ctx context.Context, q Question) (Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if q.Limit > 0 {
		var stop func()
		ctx, stop = context.WithTimeout(ctx, q.Limit)
		defer stop()
	}
	cmd := q.command(ctx)
	most := cmp.Or(q.Most, defaultMost)
	stdout, stderr := program.Buffer{Most: most, Stop: cancel}, program.Buffer{Most: most, Stop: cancel}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	a := Answer{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if cmd.ProcessState != nil {
		a.Code = cmd.ProcessState.ExitCode()
	}
	switch {
	case stdout.Full() || stderr.Full():
		return a, unavailable(q.Argv, "has printed more than %d MiB", most>>20)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return a, fmt.Errorf("%s %w: %w", safe.Line(q.Argv[0]), ErrLate, record.ErrUnavailable)
	case ctx.Err() != nil:
		return a, fmt.Errorf("%w: %w", unavailable(q.Argv, "was not waited for"), ctx.Err())
	}
	return a, failure(q.Argv, err, a)
}

// command returns the program, whose process group ends with ctx.
func (q Question) command(ctx context.Context) *exec.Cmd {
	cmd := program.Command(ctx, q.Argv[0], q.Argv[1:]...)
	cmd.Stdin, cmd.Env = bytes.NewReader(q.Stdin), q.Env
	return cmd
}

// Show runs a program for a user who waits: its standard output goes to out as it comes, its
// standard error to messages, and there is no time limit. Without q.Stdin the program has
// this process's standard input. The answer has no Stdout; where the program fails, its
// Stderr is the last line, which messages did not get. The error is as that of Run.
func Show(ctx context.Context, q Question, out, messages io.Writer) (Answer, error) {
	cmd := q.command(ctx)
	if !q.Unattended { // it is in the process group of qme, which has the terminal
		cmd.SysProcAttr, cmd.Cancel = nil, func() error { return terminate(cmd.Process) }
		if q.Stdin == nil {
			cmd.Stdin = os.Stdin
		}
	}
	lines := &lineWriter{to: messages}
	cmd.Stdout, cmd.Stderr = out, lines
	err := cmd.Run()
	a := Answer{Stderr: lines.held}
	if cmd.ProcessState != nil {
		a.Code = cmd.ProcessState.ExitCode()
	}
	if err := failure(q.Argv, err, a); err != nil || a.Code != 0 {
		return a, err
	}
	return a, lines.flush()
}

// lineWriter hands on lines, each when the next one begins.
type lineWriter struct {
	to   io.Writer
	held []byte
}

// lineMost is how much of a line is held, in bytes.
const lineMost = 64 << 10

// Write implements io.Writer.
func (w *lineWriter) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	w.held = append(w.held, b...)
	i := bytes.LastIndexByte(w.held[:len(w.held)-1], '\n') + 1
	if i == 0 && len(w.held) > lineMost {
		i = len(w.held)
	}
	if i == 0 {
		return len(b), nil
	}
	_, err := w.to.Write(w.held[:i])
	w.held = bytes.Clone(w.held[i:])
	return len(b), err
}

func (w *lineWriter) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.to.Write(w.held)
	return err
}

// failure says why a program did not end by itself. That another process still holds its
// output is no failure.
func failure(argv []string, err error, a Answer) error {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.As(err, &exit) && exit.Exited():
		return nil
	case errors.As(err, &exit):
		return unavailable(argv, "has died (%v)%s", exit, a.Because())
	}
	return unavailable(argv, "cannot be run: %v", err)
}

// unavailable makes an error that wraps record.ErrUnavailable.
func unavailable(argv []string, format string, args ...any) error {
	return fmt.Errorf("%s %s: %w", safe.Line(argv[0]), fmt.Sprintf(format, args...), record.ErrUnavailable)
}

// becauseMost is how much of a reason is given, in bytes.
const becauseMost = 300

// Because returns ": " and the last line of stderr that is not empty, fit for a
// terminal; "" when there is none.
func (a Answer) Because() string {
	lines := strings.Split(strings.TrimSpace(string(a.Stderr)), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return ""
	}
	return ": " + safe.Line(safe.Shorten(last, becauseMost))
}

// Stream runs a program and returns what it prints. A read fails, with an error that
// wraps record.ErrUnavailable, when nothing comes for as long as idle; at the end it
// fails with the error of ended, which is given the program's answer without its Stdout.
// Close ends the program.
func Stream(ctx context.Context, q Question, idle time.Duration, ended func(Answer) error) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := q.command(ctx)
	s := &stream{argv: q.Argv, cancel: cancel, idle: idle, ended: ended, stderr: program.Buffer{Most: defaultMost, Stop: cancel}}
	r, w := io.Pipe()
	s.out, cmd.Stdout, cmd.Stderr = r, w, &s.stderr
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, unavailable(q.Argv, "cannot be run: %v", err)
	}
	s.timer = time.AfterFunc(idle, s.late)
	s.timer.Stop() // it runs during reads
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		w.CloseWithError(s.end(cmd.Wait(), cmd))
	}()
	return s, nil
}

// A stream reads the output of a program.
type stream struct {
	argv   []string
	cancel func()
	out    *io.PipeReader
	stderr program.Buffer
	idle   time.Duration
	timer  *time.Timer
	ended  func(Answer) error
	done   sync.WaitGroup

	mu      sync.Mutex
	tooLate bool
}

// late ends a program that has fallen silent.
func (s *stream) late() {
	s.mu.Lock()
	s.tooLate = true
	s.mu.Unlock()
	s.cancel()
}

// end returns the error with which the reader's stream ends.
func (s *stream) end(err error, cmd *exec.Cmd) error {
	s.mu.Lock()
	late := s.tooLate
	s.mu.Unlock()
	if late {
		return unavailable(s.argv, "has printed nothing for %v", s.idle)
	}
	a := Answer{Stderr: s.stderr.Bytes(), Code: cmd.ProcessState.ExitCode()}
	if err := failure(s.argv, err, a); err != nil {
		return err
	}
	if err := s.ended(a); err != nil {
		return err
	}
	return io.EOF
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.timer.Reset(s.idle)
	defer s.timer.Stop()
	return s.out.Read(p)
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.timer.Stop()
	s.cancel()
	err := s.out.Close()
	s.done.Wait()
	return err
}
