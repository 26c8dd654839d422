package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type runCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *runCommand) command() *cli.Command {
	one := 1
	var o onOptions
	var hash, trace bool
	var file string
	return &cli.Command{
		Name:      "run",
		Usage:     "run a command and record it",
		ArgsUsage: "CMD [ARG…]",
		Description: `Everything after the first word belongs to the command. A single argument that
contains spaces or shell syntax is a command line for the shell.

The exit code is that of the command; see docs/exit-codes.md.

The record lists the files that the command line names. --in and --out list more, by
patterns in quotes (*, ?, [..], {a,b}, and ** for any folders), relative to this
directory; a folder stands for all files below it.

--metric and --metric-file record numbers of the output and of files: see docs/metrics.md.

With --on slurm the command becomes a batch job, in this directory and with this
environment; no script is needed.

Examples:
  qme run make -j8
  qme run -m "baseline" python train.py --lr=3e-4
  qme run 'sort data.txt | uniq -c > counts.txt'
  qme -q run ./script.sh >out.txt 2>err.txt
  qme run --no-output ./long.sh
  qme run --in 'data/**/*.csv' --out results python analyse.py
  qme run --hash tar xf archive.tar
  qme run --trace make
  qme run --param lr=3e-4 python train.py
  qme run --metric 'acc max' --metric-file result.json python train.py
  qme run --on slurm --cpus 4 --mem 8G --time 1:00:00 python train.py
  qme run --on slurm --wait make test`,
		Flags:        slices.Concat(declareFlags(), []cli.Flag{hashFlag(&hash), traceFlag(&trace), noOutputFlag(&o.noOutput), idFileFlag(&file), paramFlag()}, metricFlags(), onFlags(&o)),
		StopOnNthArg: &one,
		// A comma in the value of --option belongs to the scheduler.
		DisableSliceFlagSeparator: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				return runUsage("there is no command to run")
			}
			if err := o.read(c); err != nil {
				return err
			}
			declared, err := readDeclared(c)
			if err == nil {
				err = notExpanded(declared, words)
			}
			if err != nil {
				return err
			}
			params, err := readParams(c)
			if err != nil {
				return err
			}
			metrics, err := readMetrics(c)
			if err != nil {
				return err
			}
			started, err := idFile(file)
			if err != nil {
				return &codeError{exitNotRun, err}
			}
			return cmd.run(ctx, words, o, tasks.RunOptions{Started: started, Params: params, Metrics: metrics, Message: cmd.settings.message, Quiet: o.noOutput || o.wait, Declared: declared, Hash: hash, Trace: trace})
		},
	}
}

func (cmd *runCommand) run(ctx context.Context, words []string, o onOptions, opts tasks.RunOptions) error {
	cfg, err := cmd.settings.runConfig()
	if err != nil {
		return &codeError{exitNotRun, err}
	}
	q, err := cmd.home.tasks()
	if err != nil {
		return &codeError{exitNotRun, err}
	}
	var rep *tasks.Report
	if o.on != "" {
		rep, err = cmd.runOn(ctx, q, cfg, words, o, opts)
	} else {
		rep, err = cmd.runRecognised(ctx, q, cfg, words, opts)
	}
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return err
	case errors.Is(err, record.ErrInvalid):
		return runUsage("%s", said(err.Error()))
	case err != nil:
		return &codeError{exitNotRun, err}
	}
	recorded(opts.Started, rep)
	err = cmd.home.finishRun(q, rep)
	if o.wait && rep.Record.Data.Job == nil { // the message of the scheduler instead of a job
		cmd.term.show(strings.Join(rep.Record.Data.Error, ""))
	}
	if err != nil || !o.wait || rep.Record.Data.Job == nil {
		return err
	}
	return cmd.waitHere(ctx, q, rep.Record, o)
}

// runRecognised runs words with the first executor that recognises them.
func (cmd *runCommand) runRecognised(ctx context.Context, q *tasks.Service, cfg *config.Config, words []string, opts tasks.RunOptions) (*tasks.Report, error) {
	c, err := cmd.settings.executors(cfg).Recognise(words)
	if err != nil {
		return nil, err
	}
	return q.RunNew(ctx, c, opts)
}

func runUsage(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), help: "qme run --help"}
}

// jobOf names the job that a command started, "" if there is none.
func jobOf(rec *record.Record) string {
	if rec.Data.Job == nil {
		return ""
	}
	return " job " + safe.Line(rec.Data.Job.ID)
}
