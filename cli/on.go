package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"qme/cli/config"
	"qme/executor"
	"qme/internal/signalled"
	"qme/record"
	"qme/tasks"
)

// onOptions are the options that say where a command runs, and whether its output is shown.
type onOptions struct {
	on        string
	wait      bool
	noOutput  bool              // see noOutputFlag
	resources map[string]string // of a job
}

// resourceFlags are the resources that every scheduler supports in some form.
var resourceFlags = []struct{ name, usage string }{
	{"cpus", "with --on: request `N` processors"},
	{"mem", "with --on: request `SIZE` of memory, such as 8G"},
	{"time", "with --on: limit the job to `TIME`, such as 1:30:00"},
	{"partition", "with --on: use the partition, or queue, `NAME`"},
	{"gpus", "with --on: request `N` graphics processors"},
	{"nodes", "with --on: request `N` nodes"},
	{"account", "with --on: charge the account `NAME`"},
}

// noOutputFlag is the option that hides the output of a command.
func noOutputFlag(noOutput *bool) cli.Flag {
	return &cli.BoolFlag{Name: "no-output", Usage: "do not show the output of the command, only record it", Destination: noOutput}
}

func onFlags(o *onOptions) []cli.Flag {
	wait := &cli.BoolFlag{Name: "wait", Usage: "with --on: wait for the job, print its output and exit with its code", Destination: &o.wait}
	return slices.Insert(jobFlags(o, "run it as a job of `EXECUTOR`, such as slurm"), 1, cli.Flag(wait))
}

// jobFlags are the options of a job, but for those of other flags that have their names.
func jobFlags(o *onOptions, usage string, others ...cli.Flag) []cli.Flag {
	flags := []cli.Flag{&cli.StringFlag{Name: "on", Usage: usage, Destination: &o.on}}
	for _, r := range resourceFlags {
		if !slices.ContainsFunc(others, func(f cli.Flag) bool { return f.Names()[0] == r.name }) {
			flags = append(flags, &cli.StringFlag{Name: r.name, Usage: r.usage})
		}
	}
	return append(flags, &cli.StringSliceFlag{Name: "option", Usage: "with --on: pass another option `NAME=VALUE` to the scheduler; may be repeated"})
}

// read reads the resources from a command line.
func (o *onOptions) read(c *cli.Command) error {
	o.resources = map[string]string{}
	for _, r := range resourceFlags {
		if c.IsSet(r.name) {
			o.resources[r.name] = fmt.Sprint(c.Value(r.name))
		}
	}
	for _, option := range c.StringSlice("option") {
		name, value, _ := strings.Cut(option, "=")
		o.resources[strings.TrimLeft(name, "-")] = value
	}
	help := "qme " + c.Name + " --help"
	if o.on == "" && (o.wait || len(o.resources) > 0) {
		return &usageError{msg: "resources and --wait are for a job: name what runs it, as in --on slurm", help: help}
	}
	for name, value := range o.resources {
		if value == "" && c.IsSet(name) {
			return &usageError{msg: fmt.Sprintf("--%s needs a value, and was given nothing, as by a variable that is not set", name), help: help}
		}
	}
	return nil
}

// executorOf returns the executor that --on names.
func (o *onOptions) executorOf(c string, set *executor.Set) (executor.Executor, error) {
	e, ok := set.Get(o.on)
	if ok {
		return e, nil
	}
	var names []string
	for _, e := range set.All() {
		names = append(names, e.Name())
	}
	return nil, &usageError{msg: fmt.Sprintf("there is no executor %q, only %s", o.on, strings.Join(names, ", ")), help: "qme " + c + " --help"}
}

// stdinTime is the time to wait for input on standard input.
const stdinTime = 200 * time.Millisecond

// noInput returns an error if standard input is a file, or a pipe that is not at its end,
// since a job would not get its content.
func noInput(in *os.File, command, executor string) error {
	kind := inputOf(in)
	if kind == "" {
		return nil
	}
	return &usageError{help: "qme " + command + " --help", msg: fmt.Sprintf(
		"standard input is %s, and a job of %s gets none of it: write it to a file and redirect that inside the command (qme %s --on %s 'CMD <FILE'), or give qme no input (</dev/null)",
		kind, executor, command, executor)}
}

// inputOf names what standard input is if it is a file, or a pipe that is not at its end; "" otherwise.
func inputOf(in *os.File) string {
	info, err := in.Stat()
	if err != nil {
		return "" // it is closed
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return "a file"
	case mode&(os.ModeNamedPipe|os.ModeSocket) != 0 && !atEnd(in, stdinTime):
		return "a pipe"
	}
	return ""
}

// atEnd reports whether a pipe is empty and has no writers. It waits, since writers may
// close the pipe only some time after the start.
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

// runOn runs words with the executor given by --on: as a job if the executor has jobs.
func (cmd *runCommand) runOn(ctx context.Context, q *tasks.Service, cfg *config.Config, words []string, o onOptions, opts tasks.RunOptions) (*tasks.Report, error) {
	set := cmd.settings.executors(cfg)
	e, err := o.executorOf("run", set)
	if err != nil {
		return nil, err
	}
	if s, ok := e.(executor.Submitter); ok {
		if err := noInput(cmd.term.in, "run", e.Name()); err != nil {
			return nil, err
		}
		return q.Submit(ctx, s, executor.Submission{Words: words, Shell: cfg.String("executor.shell.shell"), Options: o.resources}, opts)
	}
	if o.wait || len(o.resources) > 0 {
		return nil, runUsage("executor %s does not run commands as jobs: it takes neither --wait nor resources", e.Name())
	}
	c, ok := e.Recognise(words)
	if !ok {
		return nil, runUsage("%s is no command of executor %s", executor.Quote(words), e.Name())
	}
	return q.RunNew(ctx, c, opts)
}

// waitHere waits for the job of a task as if its command ran here: it prints the output, if that is shown,
// Ctrl-C cancels the job, and the result has the return code of the job.
func (cmd *runCommand) waitHere(ctx context.Context, q *tasks.Service, rec *record.Record, o onOptions) error {
	term := cmd.term
	ctx, got, stop := signalled.Catch(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	job := rec.Data.Job
	to := tasks.JobOutput{Restarted: func() { term.beside("Job %s has begun its output anew.", job.ID) }}
	if !o.noOutput {
		to.Out, to.Err = term.out, term.err
	}
	state := ""
	last, err := q.WaitPrinting(ctx, rec.UID, to, func(r *record.Record) {
		if job := r.Data.Job; job != nil && job.State != state && isTerminal(term.err) {
			state = job.State
			term.beside("qme: job %s: %s", job.ID, jobState(job))
		}
	})
	if s := got(); errors.Is(err, context.Canceled) && s != nil {
		return cmd.cancelJob(q, rec, s)
	}
	if err != nil {
		return err
	}
	cmd.home.follow(q, tasks.AfterRefresh)
	if rc := last.Code(); rc != nil {
		term.beside("[%s][returncode: %d]%s has ended", last.UID, *rc, jobOf(last))
	}
	return endAs(last)
}

// cancelJob cancels the job of a task after a signal.
func (cmd *runCommand) cancelJob(q *tasks.Service, rec *record.Record, got os.Signal) error {
	code := &codeError{code: 128 + int(got.(syscall.Signal))}
	ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
	defer cancel()
	said := &counted{Writer: notesTo{cmd.term}}
	v, err := q.Find(string(rec.UID))
	if err == nil {
		_, err = cmd.home.cancel(ctx, q, v, tasks.Acting{Out: cmd.term.out, Err: said})
	}
	if err != nil {
		code.err = fmt.Errorf("the job could not be cancelled: %w", err)
	} else if said.n == 0 {
		cmd.term.beside("qme: job %s is being cancelled", rec.Data.Job.ID)
	}
	return code
}

// A counted counts the bytes written to a writer.
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

// cancelTime limits the wait for the cancellation of a job after a signal.
const cancelTime = 20 * time.Second
