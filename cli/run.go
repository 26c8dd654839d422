package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

func (a *app) runCommand() *cli.Command {
	one := 1
	var o onOptions
	return &cli.Command{
		Name:      "run",
		Usage:     "run a command and record it",
		ArgsUsage: "CMD [ARG…]",
		Description: `Everything after the first word belongs to the command. A single argument that
contains spaces or shell syntax is a command line for the shell.

The exit code is that of the command; see docs/exit-codes.md.

With --on slurm the command becomes a batch job, in this directory and with this
environment; no script is needed.

Examples:
  qme run make -j8
  qme run -m "baseline" python train.py --lr=3e-4
  qme run 'sort data.txt | uniq -c > counts.txt'
  qme -q run ./quiet.sh
  qme run --on slurm --cpus 4 --mem 8G --time 1:00:00 python train.py
  qme run --on slurm --wait make test`,
		Flags:        onFlags(&o),
		StopOnNthArg: &one,
		// A comma in the value of --option is the scheduler's.
		DisableSliceFlagSeparator: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			words := c.Args().Slice()
			if len(words) == 0 {
				return &usageError{msg: "there is no command to run", help: "qme run --help"}
			}
			if err := o.read(c); err != nil {
				return err
			}
			return a.run(ctx, words, o)
		},
	}
}

func (a *app) run(ctx context.Context, words []string, o onOptions) error {
	cfg, err := a.runConfig()
	if err != nil {
		return &codeError{exitNotRun, err}
	}
	cmd, err := a.recognise(cfg, words, o)
	if err != nil {
		return err
	}
	q, err := a.tasks()
	if err != nil {
		return &codeError{exitNotRun, err}
	}
	rep, err := q.RunNew(ctx, cmd, tasks.RunOptions{Message: a.message, Quiet: a.quiet || o.wait})
	if errors.Is(err, record.ErrInvalid) {
		return &usageError{msg: said(err.Error()), help: "qme run --help"}
	}
	if err != nil {
		return &codeError{exitNotRun, err}
	}
	err = a.finishRun(q, rep)
	if o.wait && rep.Record.Data.Job == nil { // what it said in place of starting one
		a.show(strings.Join(rep.Record.Data.Error, ""))
	}
	if err != nil || !o.wait || rep.Record.Data.Job == nil {
		return err
	}
	e, _ := a.executors(cfg).Get(cmd.Executor)
	return a.waitHere(ctx, q, e, rep.Record)
}

// recognise says how the words of a command are run, and by which executor.
func (a *app) recognise(cfg *config.Config, words []string, o onOptions) (tasks.Command, error) {
	set := a.executors(cfg)
	if o.on != "" {
		return a.commandOn(set, cfg.String("executor.shell.shell"), words, o)
	}
	cmd, err := set.Recognise(words)
	if err != nil {
		return tasks.Command{}, &usageError{msg: said(err.Error()), help: "qme run --help"}
	}
	return tasks.Command{Executor: cmd.Executor, Cmd: cmd.Argv, Line: cmd.Line}, nil
}

// finishRun tells how a run went and ends with its return code, or as Main has it by the
// signal that has ended the command.
func (a *app) finishRun(q *tasks.Service, rep *tasks.Report) error {
	rc := *rep.Record.Data.ReturnCode
	if errors.Is(rep.Err, tasks.ErrNotRecorded) {
		a.say("qme: NOT RECORDED: %v", rep.Err)
		if hint := a.homeHint(rep.Err); hint != "" {
			a.say("%s", hint)
		}
	} else {
		a.note("[%s][returncode: %d]%s", rep.Record.UID, rc, jobOf(rep.Record))
		a.follow(q, tasks.AfterRun)
	}
	switch {
	case rc == 0 && rep.PassErr != nil:
		// As the command would have ended, had it met the full disk itself.
		return &codeError{code: exitFailure}
	case rc == 0:
		return nil
	case rep.Record.Data.Signal != "":
		a.endedBy = syscall.Signal(rc - 128)
	}
	return &codeError{code: rc}
}

// jobOf names the job that a command has started.
func jobOf(rec *record.Record) string {
	if rec.Data.Job == nil {
		return ""
	}
	return " job " + safe.Line(rec.Data.Job.ID)
}

// following says what follows a change in this home.
func (a *app) following(cfg *config.Config) tasks.Following {
	f := tasks.Following{Sync: cfg.Bool("sync.auto"), Mirror: a.mirrorTarget, Start: a.startDetached}
	if !a.quiet {
		f.Behind = func(why string) {
			a.note("qme: the mirror is behind (the history is not): %s; %s", hereTime(why), a.here("\"qme mirror status\" says more"))
		}
	}
	return f
}

// follow has follow a change of the history what is to.
func (a *app) follow(q *tasks.Service, c tasks.Cause) {
	err := q.Follow(c)
	if err != nil && !errors.Is(err, errNoDefault) { // else the mistake has been said
		a.note("qme: %s", said("the mirror does not follow: "+err.Error()))
	}
}

// startDetached starts a qme of this home that outlives this process. What does not
// start now is started by the next run.
func (a *app) startDetached(args ...string) {
	home, err := a.homeDir()
	if err != nil {
		return
	}
	cmd, err := itself(context.Background(), home, args...)
	if err != nil {
		return
	}
	if cmd.Start() == nil {
		_ = cmd.Process.Release()
	}
}

// itself returns this program as a command upon a home, in a session of its own, so that
// no key at a terminal ends it. It is killed when ctx ends.
func itself(ctx context.Context, home string, args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, append([]string{"--home", home}, args...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}
