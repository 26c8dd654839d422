package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
)

// A job is one Run: the Spec with its defaults filled in, and what both modes
// share. Descriptors are plain numbers here, since os.File would make them
// non-blocking, for all processes that share them.
type job struct {
	Spec
	in       int // what the command may inherit as standard input
	out, err int // where output is passed on to, -1 for nowhere
	null     int // /dev/null, opened when needed, else -1

	outRec, errRec *recorder
	end            *ending
	pumps          []*pump
	res            Result
	endedBy        syscall.Signal // 0: by itself
	began          time.Time
}

func newJob(s Spec) (*job, error) {
	j := &job{Spec: s, null: -1, outRec: &recorder{w: s.Out}, errRec: &recorder{w: s.Err}}
	if j.Drain == 0 {
		j.Drain = defaultDrain
	}
	if j.KillGrace == 0 {
		j.KillGrace = defaultKillGrace
	}
	var err error
	if j.Env == nil {
		if j.Env, err = environ(j.Dir); err != nil {
			return nil, err
		}
	}
	if j.end, err = newEnding(); err != nil {
		return nil, err
	}
	if j.in = descriptor(s.Stdin); j.in < 0 {
		if j.in, err = j.devNull(); err != nil {
			j.close()
			return nil, err
		}
	}
	j.out, j.err = descriptor(s.Stdout), descriptor(s.Stderr)
	return j, nil
}

// environ returns this process's environment, with PWD right for dir.
func environ(dir string) ([]string, error) {
	env := os.Environ()
	if dir == "" {
		return env, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	env = slices.DeleteFunc(env, func(s string) bool { return strings.HasPrefix(s, "PWD=") })
	return append(env, "PWD="+abs), nil
}

// descriptor returns the number of f, -1 when it is nil.
func descriptor(f *os.File) int {
	if f == nil {
		return -1
	}
	return int(f.Fd())
}

func (j *job) devNull() (int, error) {
	if j.null < 0 {
		fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("open %s: %w", os.DevNull, err)
		}
		j.null = fd
	}
	return j.null, nil
}

func (j *job) close() {
	j.end.close()
	if j.null >= 0 {
		unix.Close(j.null)
	}
}

// run chooses the mode. Where no pseudo-terminal can be had, or no monitor, the command
// runs on pipes rather than not at all.
func (j *job) run(ctx context.Context) error {
	if isTerminal(j.out) && canStartAgain() {
		p, err := openPTY(j.out)
		if err == nil {
			return j.runTerminal(ctx, p)
		}
	}
	return j.runPipe(ctx)
}

// screen returns where output to fd goes on to.
func (j *job) screen(fd int) int {
	if j.Quiet {
		return -1
	}
	return fd
}

// refuse reports a command that could not be started, as a shell would.
func (j *job) refuse(e *startError) {
	j.res.ReturnCode = e.Code
	msg := "qme: " + e.Text + "\n"
	j.errRec.write([]byte(msg))
	j.say(msg)
}

// say tells the user something on standard error. That it cannot be told is no
// reason to fail.
func (j *job) say(msg string) {
	if dst := j.screen(j.err); dst >= 0 {
		_ = writeAll(dst, []byte(msg))
	}
}

func (j *job) started(pid int) {
	j.res.PID = pid
	if j.OnStart != nil {
		j.OnStart(pid)
	}
}

// ended puts down how the command ended.
func (j *job) ended(x exit) {
	j.res.Duration = time.Since(j.began)
	j.res.Usage = &x.Usage
	ws := syscall.WaitStatus(x.Status)
	if ws.Signaled() {
		j.endedBy = ws.Signal()
		j.res.Signal = signalName(ws.Signal())
		j.res.ReturnCode = 128 + int(ws.Signal())
		return
	}
	j.res.ReturnCode = ws.ExitStatus()
}

// signalName names also the signals that have a number only.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("SIG%d", int(sig))
}

// An exit is how a process ended. The monitor sends it as JSON.
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

// ofCommand returns the peak of a command's memory, 0 when it cannot be told from ours: a
// process takes over, through exec(2), the peak of the one that has started it. Kernels
// count each processor's pages by themselves, so both figures are a little uncertain.
func ofCommand(peak, ours int64) int64 {
	if peak <= ours+max(1<<20, ours/8) {
		return 0
	}
	return peak
}

// maxRSS returns the peak of this process, or of those that it was made of.
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

// finish reads what is left of the output and hands what others hold open to a
// relay. Where passing on is blocked, say by a pager that waits for a key, a cancel or
// a signal that would have ended the command ends it: the rest is only recorded.
func (j *job) finish(ctx context.Context, sigs <-chan os.Signal) {
	j.end.announce()
	cancelled := ctx.Done()
	var enough <-chan time.Time
	for _, p := range j.pumps {
		for running := true; running; {
			select {
			case <-p.done:
				running = false
			case <-cancelled:
				cancelled, enough = nil, time.After(j.Drain)
			case sig := <-sigs:
				if endsWriter(sig) {
					enough = time.After(0)
				}
			case <-enough:
				j.abandon()
				running = false
			}
		}
	}
	j.complain()
	if err := j.handOver(); err != nil { // how the command ended is known all the same
		j.say("qme: " + err.Error() + ": what outlives the command meets a closed pipe\n")
	}
}

func (j *job) abandon() {
	for _, p := range j.pumps {
		p.abandon()
	}
}

// endsWriter says whether a signal is meant to end what runs.
func endsWriter(sig os.Signal) bool {
	switch sig {
	case unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT:
		return true
	}
	return false
}

// complain says why output could not be passed on, which the command itself could
// not learn: it only got SIGPIPE. A reader that has gone is not worth a word, as
// everywhere.
func (j *job) complain() {
	for _, p := range j.pumps {
		var errno unix.Errno
		if errors.As(p.writeErr, &errno) && errno != unix.EPIPE && errno != unix.EIO {
			j.res.PassErr = p.writeErr
			j.say("qme: write error: " + errnoText(errno) + "\n")
		}
	}
}
