package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"qme/executor"
	"qme/executor/capture"
	"qme/internal/signalled"
	"qme/provenance"
	"qme/queue"
	"qme/record"
	"qme/tasks"
	"qme/tasks/waiting"
)

type addCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

// addOptions are the options of add, most of which sweep has, too.
type addOptions struct {
	terms                                termOptions
	hold, snapshot, printID, hash, trace bool
	stdin                                string
	declared                             provenance.Declared
	params                               record.Params
	metrics                              tasks.MetricOptions
}

func (cmd *addCommand) command() *cli.Command {
	one := 1
	var o addOptions
	return &cli.Command{
		Name:      "add",
		Usage:     "put a command into the queue, and return at once",
		ArgsUsage: "CMD [ARG…]",
		Description: `The command runs in this directory with this environment when its turn comes, and is
recorded as by "qme run". "qme queue" shows what waits and why, and how many tasks run at
the same time: one, until "qme queue slots N". It is started in the background, also after
you have logged out where the system allows that; see docs/queue.md.

Everything after the first word belongs to the command. A single argument that contains
spaces or shell syntax is a command line for the shell.

Its standard input is empty, or FILE of --stdin. With --after it starts when other tasks
have succeeded; if one of them fails it stays, and says so. --host any lets a worker on
another machine start it, with the same home.

Examples:
  qme add make test
  qme add -m "baseline" python train.py --lr=3e-4
  id=$(qme add --print-id ./prepare.sh)
  qme add --after "$id" ./analyse.sh
  qme add --after 019aaf3c,@1 --after-any baseline ./report.sh
  qme add --at 22:00 --timeout 6h ./nightly.sh
  qme add --queue gpu --gpus 1 python train.py
  qme add --retry 3 --delay 1m curl -fO https://example.org/data.csv
  qme add --snapshot python train.py
  qme add --hold ./when-i-say-so.sh`,
		Flags:        append(o.flags("it", "the id of the task"), paramFlag()),
		StopOnNthArg: &one,
		// A comma in a pattern of --in belongs to the pattern.
		DisableSliceFlagSeparator: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				return addUsage("there is no command to add")
			}
			err := cmd.read(c, &o, words)
			if err == nil {
				o.params, err = readParams(c)
			}
			if err != nil {
				return err
			}
			return cmd.run(ctx, c, words, o)
		},
	}
}

// willFail is said of a task whose program is not there now.
const willFail = "as things are now, the task will fail: %s"

func addUsage(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), help: "qme add --help"}
}

// flags are the options of add and sweep. them are the tasks, and ids what --print-id prints.
func (o *addOptions) flags(them, ids string) []cli.Flag {
	return slices.Concat(o.terms.flags(), []cli.Flag{
		&cli.BoolFlag{Name: "hold", Usage: "do not start " + them + " before \"qme release\"", Destination: &o.hold},
		&cli.BoolFlag{Name: "snapshot", Usage: "run " + them + " in a copy of the git working tree as it is now", Destination: &o.snapshot},
		&cli.StringFlag{Name: "stdin", OnlyOnce: true, Usage: "use `FILE` as the standard input of the command", Destination: &o.stdin, TakesFile: true},
		&cli.BoolFlag{Name: "print-id", Usage: "print " + ids + ", and nothing else", Destination: &o.printID},
	}, declareFlags(), []cli.Flag{hashFlag(&o.hash), traceFlag(&o.trace)}, metricFlags())
}

// read reads what does not need the home.
func (cmd *addCommand) read(c *cli.Command, o *addOptions, words []string) (err error) {
	if c.IsSet("delay") && o.terms.retry == 0 {
		return &usageError{msg: delayAlone, help: "qme " + c.Name + " --help"}
	}
	if o.declared, err = readDeclared(c); err == nil {
		err = notExpanded(o.declared, words)
	}
	if err == nil {
		o.metrics, err = readMetrics(c)
	}
	return err
}

func (cmd *addCommand) run(ctx context.Context, c *cli.Command, words []string, o addOptions) error {
	opts, err := cmd.here(c, o)
	if err != nil {
		return err
	}
	cfg, err := cmd.settings.runConfig()
	if err != nil {
		return err
	}
	what, err := cmd.settings.executors(cfg).Recognise(words)
	if err != nil {
		return err
	}
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	return cmd.add(ctx, c, q, what, opts, o)
}

// here returns where the command of a command line would run, and with what, after a look at whether it can be added.
func (cmd *addCommand) here(c *cli.Command, o addOptions) (opts tasks.AddOptions, err error) {
	if opts.Stdin, err = cmd.input(c, o.stdin); err != nil {
		return opts, err
	}
	if opts.Dir, err = os.Getwd(); errors.Is(err, fs.ErrNotExist) {
		return opts, fmt.Errorf("the current directory is gone, in which the command would run: %w", record.ErrConflict)
	} else if err != nil {
		return opts, err
	}
	return opts, cmd.home.writable()
}

// complete puts what a command line says into the options of a task, and returns the queue.
func (cmd *addCommand) complete(c *cli.Command, q *tasks.Service, opts *tasks.AddOptions, o addOptions) (*queue.Queue, error) {
	change, err := o.terms.read(c, finder(q))
	if err != nil {
		return nil, err
	}
	return cmd.fill(q, opts, o, change), nil
}

// fill is complete with the terms of the task.
func (cmd *addCommand) fill(q *tasks.Service, opts *tasks.AddOptions, o addOptions, change termsChange) *queue.Queue {
	all := cmd.home.queue(q)
	terms := waiting.Terms{Place: all.Here().String(), Held: o.hold}
	change(&terms)
	opts.Message, opts.Declared, opts.Hash, opts.Trace, opts.Params, opts.Metrics, opts.Terms = cmd.settings.message, o.declared, o.hash, o.trace, o.params, o.metrics, terms
	opts.Env, opts.Umask = lasting(os.Environ()), umask()
	return all
}

// holdSignals is how long a signal is held back at most while a task is added, which takes milliseconds unless a disk
// or a reader hangs.
const holdSignals = 5 * time.Second

// add puts a command into the queue, and says where it stands.
func (cmd *addCommand) add(ctx context.Context, c *cli.Command, q *tasks.Service, what executor.Command, opts tasks.AddOptions, o addOptions) error {
	all, err := cmd.complete(c, q, &opts, o)
	if err != nil {
		return err
	}
	// A signal leaves no task that nobody was told of, or that nobody starts, and no half of a snapshot.
	held, got, stop := signalled.Hold(ctx)
	defer stop()
	if o.snapshot {
		err = snapshot(held, q, &opts)
	}
	if err == nil {
		defer time.AfterFunc(holdSignals, stop).Stop() // then a signal has its default effect
		err = cmd.enqueue(ctx, all, what, opts, o)
	}
	if s, caught := got().(syscall.Signal); caught {
		return &signalError{code: &codeError{128 + int(s), err}, signal: s}
	}
	return err
}

// enqueue adds a task, has it start, and says that.
func (cmd *addCommand) enqueue(ctx context.Context, all *queue.Queue, what executor.Command, opts tasks.AddOptions, o addOptions) error {
	q := all.Service
	rec, err := q.Add(ctx, what, opts)
	if err != nil && o.snapshot {
		err = errors.Join(err, q.RemoveSnapshot(opts.Snapshot.Folder))
	}
	if err != nil {
		return fmt.Errorf("the command is not in the queue: %w", err)
	}
	if why := capture.Missing(what.Argv, opts.Env, opts.Dir); why != "" {
		cmd.term.warn(willFail, why)
	}
	text := cmd.standing(ctx, all, rec)
	err = all.Wake(ctx, rec.UID)
	if o.printID {
		if _, perr := fmt.Fprintln(cmd.term.out, rec.UID); perr != nil {
			err = errors.Join(err, fmt.Errorf("task %s is in the queue, but its id could not be printed: %w", rec.UID, perr))
		}
	} else {
		cmd.term.note("Added %s%s", rec.UID, text)
	}
	return err
}

// snapshot has a task run in a copy of the working tree of its directory. It leaves nothing if ctx ends before.
func snapshot(ctx context.Context, q *tasks.Service, o *tasks.AddOptions) error {
	s, err := q.TakeSnapshot(ctx, o.Dir)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("this was interrupted, and the command is not in the queue: %w", err)
	} else if err != nil {
		return err
	}
	o.Snapshot, o.Dir, o.Env = s, s.Dir, s.Environment(o.Env)
	return nil
}

// standing says where a task stands that was just added and starts in a moment.
func (cmd *addCommand) standing(ctx context.Context, all *queue.Queue, rec *record.Record) string {
	if cmd.term.quiet {
		return ""
	}
	st, err := all.Standing(ctx, rec.UID)
	if err != nil {
		cmd.term.warn("%v", err) // it waits all the same
		return ""
	}
	switch {
	case st.Reason.Word != "":
		return ": " + waitText(st.Reason)
	case st.Others: // which are held, wait for something, or are in another queue; or one starts before
		return ": it can start now"
	}
	return ": it starts now"
}

// umask returns the umask of this process, which nothing else changes.
func umask() int {
	mask := unix.Umask(0o077)
	unix.Umask(mask)
	return mask
}

// input returns the absolute path of the file that is to be standard input, "" for none.
func (cmd *addCommand) input(c *cli.Command, file string) (string, error) {
	usage := func(format string, args ...any) error {
		return &usageError{msg: fmt.Sprintf(format, args...), help: "qme " + c.Name + " --help"}
	}
	if !c.IsSet("stdin") {
		if kind := inputOf(cmd.term.in); kind == "a file" {
			return "", usage("standard input is a file, of which a task in the queue gets nothing: name it with --stdin FILE, or give qme no input (</dev/null)")
		} else if kind != "" {
			return "", usage("standard input is %s, of which a task in the queue gets nothing: write it to a file and name that with --stdin FILE, or give qme no input (</dev/null)", kind)
		}
		return "", nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &codeError{exitNotFound, fmt.Errorf("--stdin: there is no file %q", file)}
	case err != nil:
		return "", fmt.Errorf("--stdin: %w", err)
	case !info.Mode().IsRegular() && file != os.DevNull:
		return "", usage("--stdin takes a file, which %q is not", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("--stdin: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return filepath.Abs(file)
}
