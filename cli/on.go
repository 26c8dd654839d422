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

	"qme/executor"
	"qme/queue"
	"qme/record"
)

// onOptions say where a command runs.
type onOptions struct {
	on        string
	wait      bool
	resources map[string]string // of a job
}

// resourceFlags are the options that every scheduler has in some form.
var resourceFlags = []struct{ name, usage string }{
	{"cpus", "with --on: `N` processors"},
	{"mem", "with --on: `SIZE` of memory, such as 8G"},
	{"time", "with --on: for `TIME` at most, such as 1:30:00"},
	{"partition", "with --on: in the partition, or queue, `NAME`"},
	{"gpus", "with --on: `N` graphics processors"},
	{"nodes", "with --on: `N` nodes"},
	{"account", "with --on: charged to the account `NAME`"},
}

func onFlags(o *onOptions) []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "on", Usage: "run it as a job of `EXECUTOR`, such as slurm", Destination: &o.on},
		&cli.BoolFlag{Name: "wait", Usage: "with --on: wait for the job, print its output and end with its code", Destination: &o.wait},
	}
	for _, r := range resourceFlags {
		flags = append(flags, &cli.StringFlag{Name: r.name, Usage: r.usage})
	}
	return append(flags, &cli.StringSliceFlag{Name: "option", Usage: "with --on: another option `NAME=VALUE` of the scheduler's; may be repeated"})
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

// commandOn returns the command that runs words where it was asked for.
func (a *app) commandOn(set *executor.Set, shell string, words []string, o onOptions) (queue.Command, error) {
	e, ok := set.Get(o.on)
	if !ok {
		var names []string
		for _, e := range set.All() {
			names = append(names, e.Name())
		}
		return queue.Command{}, &usageError{msg: fmt.Sprintf("there is no executor %q, only %s", o.on, strings.Join(names, ", ")), help: "qme run --help"}
	}
	if s, ok := e.(executor.Submitter); ok {
		return queue.Command{Executor: e.Name(), Build: func(dir string) ([]string, string, error) {
			cmd, err := s.Submit(executor.Submission{
				Words: words, Shell: shell, Options: o.resources,
				Stdout: filepath.Join(dir, "stdout"), Stderr: filepath.Join(dir, "stderr"),
			})
			return cmd.Argv, cmd.Line, err
		}}, nil
	}
	if o.wait || len(o.resources) > 0 {
		return queue.Command{}, &usageError{msg: fmt.Sprintf("executor %s does not run commands as jobs: it takes neither --wait nor resources", e.Name()), help: "qme run --help"}
	}
	cmd, ok := e.Recognise(words)
	if !ok {
		return queue.Command{}, &usageError{msg: fmt.Sprintf("%s is no command of executor %s", executor.Quote(words), e.Name()), help: "qme run --help"}
	}
	return queue.Command{Executor: cmd.Executor, Cmd: cmd.Argv, Line: cmd.Line}, nil
}

// waitHere waits for the job of a task as if its command ran here: its output is passed
// on, Ctrl-C cancels it, and its code is the result.
func (a *app) waitHere(ctx context.Context, q *queue.Queue, e executor.Executor, rec *record.Record) error {
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
	out := &follower{path: filepath.Join(dir, "stdout"), to: a.out}
	errs := &follower{path: filepath.Join(dir, "stderr"), to: a.err}
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
	a.startSync()
	a.follow()
	return endAs(last)
}

// cancelJob ends the job of a task because a signal has asked for it.
func (a *app) cancelJob(q *queue.Queue, e executor.Executor, rec *record.Record, got os.Signal) error {
	code := &codeError{code: 128 + int(got.(syscall.Signal))}
	act, err := executor.Find(e, "cancel")
	if err != nil {
		code.err = fmt.Errorf("the job goes on: %w", err)
		return code
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
	defer cancel()
	v, err := q.Find(string(rec.UID))
	if err == nil {
		err = a.act(ctx, q, v, e, act, nil)
	}
	if err != nil {
		code.err = fmt.Errorf("the job could not be cancelled: %w", err)
	} else {
		a.note("qme: job %s is being cancelled", rec.Data.Job.ID)
	}
	return code
}

// cancelTime bounds how long the cancelling of a job is waited for after a signal.
const cancelTime = 20 * time.Second

// A follower passes on what comes to a file, from when it is there.
type follower struct {
	path string
	to   io.Writer
	file *os.File
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
	if f.file == nil {
		file, err := os.Open(f.path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		f.file = file
	}
	_, err := io.Copy(f.to, f.file)
	return err
}

// rest copies what is left when the job has ended. A file that was opened is read to its
// end, also where it has been removed since; else what came of it is in the record.
func (f *follower) rest(q *queue.Queue, rec *record.Record, name record.StreamName) error {
	if f.file != nil {
		return errors.Join(f.pass(), f.file.Close())
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
