package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"qme/executor/capture/inlet"
	"qme/record"
)

// An execution is a call of Run: the Spec with its defaults, and the state shared by both
// modes. It uses plain descriptors, since an os.File would make them non-blocking for all
// processes that share them.
type execution struct {
	Spec
	in       int          // standard input, which the command may inherit
	inlet    *inlet.Inlet // passes standard input on; nil: the command reads it itself
	out, err int          // destinations of the output, -1 for none
	null     int          // /dev/null, opened on demand, else -1

	outSink, errSink *sink
	end              *ending
	pumps            []*pump
	res              Result
	endedBy          syscall.Signal // 0: not by a signal
	began            time.Time
	stillSince       time.Time // since when its processes stand still; zero: they do not
}

func newExecution(s Spec) (*execution, error) {
	e := &execution{Spec: s, null: -1, outSink: &sink{w: s.Out}, errSink: &sink{w: s.Err}}
	if e.Drain == 0 {
		e.Drain = defaultDrain
	}
	if e.KillGrace == 0 {
		e.KillGrace = defaultKillGrace
	}
	if e.Env == nil {
		e.Env = os.Environ()
	}
	var err error
	if e.end, err = newEnding(); err != nil {
		return nil, err
	}
	if e.in = descriptor(s.Stdin); e.in < 0 {
		if e.in, err = e.devNull(); err != nil {
			e.close()
			return nil, err
		}
	}
	e.out, e.err = descriptor(s.Stdout), descriptor(s.Stderr)
	return e, nil
}

// descriptor returns the descriptor of f, -1 if it is nil.
func descriptor(f *os.File) int {
	if f == nil {
		return -1
	}
	return int(f.Fd())
}

func (e *execution) devNull() (int, error) {
	if e.null < 0 {
		fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("open %s: %w", os.DevNull, err)
		}
		e.null = fd
	}
	return e.null, nil
}

// openInput makes standard input pass through this process if that is safe.
func (e *execution) openInput() error {
	if e.Input == nil || e.Stdin == nil {
		return nil
	}
	null, err := e.devNull()
	if err != nil {
		return err
	}
	if e.inlet, e.res.InputLeft = inlet.Open(e.in, null, e.Input); e.inlet != nil {
		e.in = e.inlet.Child()
	}
	return nil
}

// startInput begins to pass standard input on to a command that has been started.
func (e *execution) startInput() {
	if e.inlet != nil {
		e.inlet.Start(e.end.r, e.guardInput)
	}
}

// finishInput ends that when the command has ended.
func (e *execution) finishInput() {
	if e.inlet != nil {
		passed := e.inlet.Finish()
		e.res.Passed = &passed
	}
}

func (e *execution) close() {
	if e.inlet != nil {
		e.end.announce()
		e.finishInput()
		e.inlet.Close()
	}
	e.end.close()
	if e.null >= 0 {
		unix.Close(e.null)
	}
}

// run chooses the mode. If no pseudo-terminal or monitor is available, the command runs
// on pipes.
func (e *execution) run(ctx context.Context) error {
	if err := e.openInput(); err != nil {
		return err
	}
	if isTerminal(e.out) && canStartAgain() {
		p, err := openPTY(e.out)
		if err == nil {
			return e.runTerminal(ctx, p)
		}
	}
	return e.runPipe(ctx)
}

// screen returns the destination for output to fd.
func (e *execution) screen(fd int) int {
	if e.Quiet {
		return -1
	}
	return fd
}

// refuse reports a command that could not be started, as a shell would.
func (e *execution) refuse(why *startError) {
	e.res.ReturnCode = why.Code
	msg := "qme: " + why.Text + "\n"
	e.errSink.write([]byte(msg))
	e.say(msg)
}

// say writes a message to standard error, if possible.
func (e *execution) say(msg string) {
	if dst := e.screen(e.err); dst >= 0 {
		_ = writeAll(dst, []byte(msg))
	}
}

func (e *execution) started(pid int) {
	e.res.PID = pid
	if e.OnStart != nil {
		e.OnStart(pid)
	}
}

// ended records the result of the command.
func (e *execution) ended(x exit) {
	now := time.Now()
	if !e.stillSince.IsZero() {
		e.res.Stopped += now.Sub(e.stillSince)
	}
	e.res.Duration = now.Sub(e.began) - e.res.Stopped
	e.res.Usage = &x.Usage
	ws := syscall.WaitStatus(x.Status)
	if ws.Signaled() {
		e.endedBy = ws.Signal()
		e.res.Signal = signalName(ws.Signal())
		e.res.ReturnCode = 128 + int(ws.Signal())
		return
	}
	e.res.ReturnCode = ws.ExitStatus()
}

// signalName returns the name of a signal, SIGn if it has none.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(sig))
}

// An exit is the result of a process. The monitor sends it as JSON.
type exit struct {
	Status uint32       `json:"status"` // as of wait4(2)
	Usage  record.Usage `json:"usage"`
}

func newExit(ws syscall.WaitStatus, ru *syscall.Rusage, ours int64) exit {
	return exit{Status: uint32(ws), Usage: record.Usage{
		User:   seconds(ru.Utime),
		System: seconds(ru.Stime),
		MaxRSS: ofCommand(int64(ru.Maxrss)*maxRSSUnit, ours),
	}}
}

// ofCommand returns the peak memory of a command, 0 if it cannot be distinguished from
// ours, since a process inherits the peak of its parent through exec(2). Both figures are
// slightly inaccurate, since kernels count the pages of each processor separately.
func ofCommand(peak, ours int64) int64 {
	if peak <= ours+max(1<<20, ours/8) {
		return 0
	}
	return peak
}

// maxRSS returns the peak memory of this process, including programs that it replaced
// with exec(2).
func maxRSS() int64 {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return int64(ru.Maxrss) * maxRSSUnit
}

func seconds(t syscall.Timeval) float64 {
	return float64(t.Sec) + float64(t.Usec)/1e6
}

// finish reads the rest of the output, and hands streams that other processes keep open
// to a relay. If a reader blocks, such as a pager waiting for a key, a cancel or a signal
// that would have ended the command ends the copying; the rest is only recorded.
func (e *execution) finish(ctx context.Context, sigs <-chan os.Signal) {
	e.end.announce()
	e.finishInput()
	cancelled := ctx.Done()
	var enough <-chan time.Time
	for _, p := range e.pumps {
		for running := true; running; {
			select {
			case <-p.done:
				running = false
			case <-cancelled:
				cancelled, enough = nil, time.After(e.Drain)
			case sig := <-sigs:
				if endsWriter(sig) {
					enough = time.After(0)
				}
			case <-enough:
				e.abandon()
				running = false
			}
		}
	}
	e.reportWriteErrors()
	if err := e.handOver(); err != nil { // the result of the command is known anyway
		e.say("qme: " + err.Error() + ": what outlives the command meets a closed pipe\n")
	}
}

func (e *execution) abandon() {
	for _, p := range e.pumps {
		p.abandon()
	}
}

// endsWriter reports whether a signal asks a program to end.
func endsWriter(sig os.Signal) bool {
	switch sig {
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT:
		return true
	}
	return false
}

// reportWriteErrors tells the user why output could not be passed on, since the command
// itself got only SIGPIPE. A reader that has exited is not an error, as in any pipe.
func (e *execution) reportWriteErrors() {
	for _, p := range e.pumps {
		var errno unix.Errno
		if errors.As(p.writeErr, &errno) && errno != unix.EPIPE && errno != unix.EIO {
			e.res.PassErr = p.writeErr
			e.say("qme: write error: " + errnoText(errno) + "\n")
		}
	}
}
