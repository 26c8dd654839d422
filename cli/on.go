package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"qme/executor"
	"qme/internal/tail"
	"qme/record"
	"qme/tasks"
)

// onOptions say where a command runs.
type onOptions struct {
	on        string
	wait      bool
	resources map[string]string // of a job
}

// resourceFlags are the options that every scheduler has in some form.
var resourceFlags = []struct{ name, usage string }{
	{"cpus", "with --on: request `N` processors"},
	{"mem", "with --on: request `SIZE` of memory, such as 8G"},
	{"time", "with --on: limit the job to `TIME`, such as 1:30:00"},
	{"partition", "with --on: use the partition, or queue, `NAME`"},
	{"gpus", "with --on: request `N` graphics processors"},
	{"nodes", "with --on: request `N` nodes"},
	{"account", "with --on: charge the account `NAME`"},
}

func onFlags(o *onOptions) []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "on", Usage: "run it as a job of `EXECUTOR`, such as slurm", Destination: &o.on},
		&cli.BoolFlag{Name: "wait", Usage: "with --on: wait for the job, print its output and exit with its code", Destination: &o.wait},
	}
	for _, r := range resourceFlags {
		flags = append(flags, &cli.StringFlag{Name: r.name, Usage: r.usage})
	}
	return append(flags, &cli.StringSliceFlag{Name: "option", Usage: "with --on: pass another option `NAME=VALUE` to the scheduler; may be repeated"})
}

// read takes the resources from a command line.
func (o *onOptions) read(c *cli.Command) error {
	o.resources = map[string]string{}
	for _, r := range resourceFlags {
		if c.IsSet(r.name) {
			o.resources[r.name] = c.String(r.name)
		}
	}
	for _, option := range c.StringSlice("option") {
		name, value, _ := strings.Cut(option, "=")
		o.resources[strings.TrimLeft(name, "-")] = value
	}
	if o.on == "" && (o.wait || len(o.resources) > 0) {
		return &usageError{msg: "resources and --wait are for a job: name what runs it, as in --on slurm", help: "qme run --help"}
	}
	for name, value := range o.resources {
		if value == "" && c.IsSet(name) {
			return &usageError{msg: fmt.Sprintf("--%s needs a value, and was given nothing, as by a variable that is not set", name), help: "qme run --help"}
		}
	}
	return nil
}

// stdinTime is how long it is waited whether something comes from standard input.
const stdinTime = 200 * time.Millisecond

// noInput refuses standard input that a job would not get: a file, or a pipe that is not at
// its end.
func (a *app) noInput(executor string) error {
	info, err := a.in.Stat()
	if err != nil {
		return nil // it is closed
	}
	kind := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		kind = "a file"
	case mode&(os.ModeNamedPipe|os.ModeSocket) != 0 && !atEnd(a.in, stdinTime):
		kind = "a pipe"
	default:
		return nil
	}
	return &usageError{msg: fmt.Sprintf("standard input is %s, and a job of %s gets none of it: write it to a file and redirect that inside the command (qme run --on %s 'CMD <FILE'), or give qme no input (</dev/null)",
		kind, executor, executor), help: "qme run --help"}
}

// atEnd reports whether a pipe has nothing in it and nobody writes to it, which may show
// some time after the start.
func atEnd(f *os.File, wait time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for deadline := time.Now().Add(wait); ; {
		n, err := unix.Poll(fds, max(0, int(time.Until(deadline).Milliseconds())))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n == 1 && fds[0].Revents&unix.POLLIN == 0 && fds[0].Revents&unix.POLLHUP != 0
	}
}

// commandOn returns the command that runs words where it was asked for.
func (a *app) commandOn(set *executor.Set, shell string, words []string, o onOptions) (tasks.Command, error) {
	e, ok := set.Get(o.on)
	if !ok {
		var names []string
		for _, e := range set.All() {
			names = append(names, e.Name())
		}
		return tasks.Command{}, &usageError{msg: fmt.Sprintf("there is no executor %q, only %s", o.on, strings.Join(names, ", ")), help: "qme run --help"}
	}
	if s, ok := e.(executor.Submitter); ok {
		if err := a.noInput(e.Name()); err != nil {
			return tasks.Command{}, err
		}
		return tasks.Command{Executor: e.Name(), Build: func(dir string) ([]string, string, error) {
			cmd, err := s.Submit(executor.Submission{
				Words: words, Shell: shell, Options: o.resources,
				Stdout: filepath.Join(dir, "stdout"), Stderr: filepath.Join(dir, "stderr"),
			})
			return cmd.Argv, cmd.Line, err
		}}, nil
	}
	if o.wait || len(o.resources) > 0 {
		return tasks.Command{}, &usageError{msg: fmt.Sprintf("executor %s does not run commands as jobs: it takes neither --wait nor resources", e.Name()), help: "qme run --help"}
	}
	cmd, ok := e.Recognise(words)
	if !ok {
		return tasks.Command{}, &usageError{msg: fmt.Sprintf("%s is no command of executor %s", executor.Quote(words), e.Name()), help: "qme run --help"}
	}
	return tasks.Command{Executor: cmd.Executor, Cmd: cmd.Argv, Line: cmd.Line}, nil
}

// waitHere waits for the job of a task as if its command ran here: its output is passed
// on, Ctrl-C cancels it, and its code is the result.
func (a *app) waitHere(ctx context.Context, q *tasks.Service, e executor.Executor, rec *record.Record) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	var got os.Signal
	go func() {
		if s, ok := <-signals; ok {
			got = s
			stop()
		}
	}()
	dir := q.Jobs.Path(rec.UID)
	out := a.follower(filepath.Join(dir, "stdout"), a.out, rec.Data.Job)
	errs := a.follower(filepath.Join(dir, "stderr"), a.err, rec.Data.Job)
	end := passOn(out, errs)
	state := ""
	last, werr := q.Wait(ctx, string(rec.UID), func(r *record.Record) {
		if job := r.Data.Job; job != nil && job.State != state && isTerminal(a.err) {
			state = job.State
			a.note("qme: job %s: %s", job.ID, jobState(job))
		}
	})
	passed := end()
	if errors.Is(werr, context.Canceled) && got != nil {
		return a.cancelJob(q, e, rec, got)
	}
	if werr != nil {
		return fmt.Errorf("%w (\"qme wait %s\" goes on waiting)", werr, rec.UID)
	}
	if perr := errors.Join(passed, out.rest(q, last, record.JobStdout), errs.rest(q, last, record.JobStderr)); perr != nil {
		return perr
	}
	a.follow(q, tasks.AfterRefresh)
	if rc := last.Code(); rc != nil {
		a.note("[%s][returncode: %d]%s has ended", last.UID, *rc, jobOf(last))
	}
	return endAs(last)
}

// cancelJob ends the job of a task because a signal has asked for it.
func (a *app) cancelJob(q *tasks.Service, e executor.Executor, rec *record.Record, got os.Signal) error {
	code := &codeError{code: 128 + int(got.(syscall.Signal))}
	act, err := executor.Find(e, "cancel")
	if err != nil {
		code.err = fmt.Errorf("the job goes on: %w", err)
		return code
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
	defer cancel()
	v, err := q.Find(string(rec.UID))
	said := &counted{Writer: notesTo{a}}
	if err == nil {
		err = a.act(ctx, q, v, tasks.Acting{Executor: e, Action: act, Out: a.out, Err: said})
	}
	if err != nil {
		code.err = fmt.Errorf("the job could not be cancelled: %w", err)
	} else if said.n == 0 {
		a.note("qme: job %s is being cancelled", rec.Data.Job.ID)
	}
	return code
}

// A counted counts what is written to a writer.
type counted struct {
	io.Writer
	n int
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += n
	return n, err
}

// cancelTime bounds how long the cancelling of a job is waited for after a signal.
const cancelTime = 20 * time.Second

// A follower passes on what comes to a file, from when it is there.
type follower struct {
	tail.Reader
	to io.Writer
}

// follower passes on what a job writes to a file. A requeue begins that anew: what has been
// passed on stays, a message says so, and all of the new output follows.
func (a *app) follower(path string, to io.Writer, job *record.Job) *follower {
	return &follower{to: to, Reader: tail.Reader{
		Open:      func() (*os.File, error) { return os.Open(path) },
		Restarted: func() { a.note("Job %s has begun its output anew.", job.ID) },
	}}
}

// followEvery is how often a file is looked at: on a network file system nobody tells.
const followEvery = 200 * time.Millisecond

// passOn passes on until the function that it returns is called.
func passOn(files ...*follower) (end func() error) {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-tick.C:
			}
			for _, f := range files {
				if err := f.pass(); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	return func() error {
		close(stop)
		return <-done
	}
}

// pass copies what is new.
func (f *follower) pass() error {
	_, err := io.Copy(f.to, &f.Reader)
	return err
}

// rest copies what is left when the job has ended. A file that was opened is read to its
// end, also where it has been removed since; else what came of it is in the record.
func (f *follower) rest(q *tasks.Service, rec *record.Record, name record.StreamName) error {
	if f.Opened() {
		return errors.Join(f.pass(), f.Close())
	}
	v, err := q.Find(string(rec.UID))
	if err != nil {
		return err
	}
	r, err := v.Stream(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f.to, r)
	return errors.Join(err, r.Close())
}
