package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor/capture"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
	"qme/tasks/live"
)

func (a *app) rerunCommand() *cli.Command {
	var o rerunOptions
	return &cli.Command{
		Name:      "rerun",
		Usage:     "run a task again, in the same directory",
		ArgsUsage: "[TASK]",
		Description: `The task keeps its id, and its earlier runs: see "qme log" and "qme diff".
The default is the task that you gave last.

If you have not given the command in this home (it came with a pull), it is shown,
and qme asks for confirmation. Without a terminal it needs --yes.

Examples:
  qme rerun
  qme rerun 019aaf3c
  qme -m "with more memory" rerun @2
  qme rerun --stdin data.txt @3`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "do not ask about a command that was not given here", Destination: &o.yes},
			&cli.StringFlag{Name: "stdin", Usage: "use `FILE` as the standard input of the command", Destination: &o.stdin, TakesFile: true},
			&cli.BoolFlag{Name: "report", Usage: "report how it begins on descriptor 3 (internal)", Destination: &o.report, Hidden: true},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			if o.report {
				return a.rerunReporting(ctx, c.Args().First(), o)
			}
			q, rep, err := a.rerun(ctx, c.Args().First(), o, nil)
			if err != nil {
				return err
			}
			return a.finishRun(q, rep)
		},
	}
}

// rerun runs a task again, and returns the use cases with which it has. started is as in
// tasks.RunOptions.
func (a *app) rerun(ctx context.Context, ref string, o rerunOptions, started func()) (*tasks.Service, *tasks.Report, error) {
	if _, err := a.homeDir(); err != nil {
		return nil, nil, err
	}
	if err := a.readFrom(o.stdin); err != nil {
		return nil, nil, err
	}
	if _, err := a.runConfig(); err != nil {
		return nil, nil, err
	}
	q, err := a.tasks()
	if err != nil {
		return nil, nil, err
	}
	rep, err := q.Rerun(ctx, ref, tasks.RunOptions{Message: a.message, Quiet: a.quiet, Started: started,
		Confirm: func(rec *record.Record, own bool) error { return a.confirmRerun(ctx, ref, rec, own, o) }})
	var input *tasks.InputError
	if errors.As(err, &input) {
		id, file := string(input.ID), o
		file.stdin = "FILE"
		return nil, nil, fmt.Errorf("%w; give it again: %s <FILE, or %s", err, a.rerunLine(o, id), a.rerunLine(file, id))
	}
	return q, rep, err
}

// rerunReporting is rerun for a process that waits for the command to begin.
func (a *app) rerunReporting(ctx context.Context, ref string, o rerunOptions) error {
	to, err := live.NewReporter()
	if err != nil {
		return settingError(err)
	}
	report := func(r live.Report) {
		if err := to.Report(r); err != nil {
			a.warn("how the task began is not reported: %v", err)
		}
	}
	q, rep, err := a.rerun(ctx, ref, o, func() { report(live.Report{Started: true}) })
	if err != nil {
		code, msg, hint := a.explain(err)
		report(live.Report{Refused: code == exitConflict || code == exitNotRun, Detail: safe.Message(strings.TrimSpace(msg + "\n" + hint))})
		return err
	}
	if rep.Err != nil {
		report(live.Report{Detail: "NOT RECORDED: " + safe.Message(rep.Err.Error())})
	}
	return a.finishRun(q, rep)
}

// rerunOptions are the options of rerun.
type rerunOptions struct {
	yes   bool
	stdin string // a file, "": none
	// report has it say on a descriptor, to the process that has started this one, how the run
	// begins: see live.Reporter.
	report bool
}

// rerunLine returns the command line that runs a task again with these options.
func (a *app) rerunLine(o rerunOptions, id string) string {
	words := []string{"rerun"}
	if o.yes {
		words = append(words, "--yes")
	}
	if o.stdin != "" {
		words = append(words, "--stdin", o.stdin)
	}
	return a.line(append(words, id)...)
}

// confirmRerun says which command is about to be run again where that was not typed, and
// whose it is where it was not given here; then it asks.
func (a *app) confirmRerun(ctx context.Context, ref string, rec *record.Record, own bool, o rerunOptions) error {
	if own {
		a.taken(ref, rec)
		a.tellInput(rec.Data.Stdin)
		return nil
	}
	f := foreignText(rec)
	if o.yes {
		a.note("%s", f)
		a.tellInput(rec.Data.Stdin)
		return nil
	}
	a.say("%s", f)
	if !isTerminal(a.in) || !isTerminal(a.err) {
		o.yes = true
		return fmt.Errorf("task %s was not given in this home: %w (\"%s\" runs it again, as you and here)", rec.UID, record.ErrConflict, a.rerunLine(o, string(rec.UID)))
	}
	if err := a.ask(ctx, "Run it here, as you", codeError{exitConflict, errors.New("nothing was run")}, ""); err != nil {
		return err
	}
	a.tellInput(rec.Data.Stdin)
	return nil
}

// taken says which task a command takes that changes something, where that was not typed
// but follows from what is there.
func (a *app) taken(ref string, rec *record.Record) {
	if ref == "" || strings.HasPrefix(ref, "@") {
		a.note("Task %s: %s", rec.UID, safe.Bounded(typed(rec)))
	}
}

// typed is recorded as the user has typed it, where that is the same.
func typed(rec *record.Record) string {
	if cmd := rec.Data.Cmd; len(cmd) == 3 && cmd[1] == "-c" && cmd[2] == rec.Command {
		return rec.Command
	}
	return tasks.CommandLine(rec)
}

// foreignText says whose command a record holds, in two lines or more.
func foreignText(rec *record.Record) string {
	f := tasks.Foreign(rec)
	return fmt.Sprintf("This command was not given in this home. Its record says that it is by %s on %s, in %s:\n  %s", f.User, f.Host, f.Directory, f.Command)
}

// tellInput says that a task that has read a file or a pipe now reads something else, where
// that was not asked for by --stdin. was is where its input came from, nil: not recorded.
func (a *app) tellInput(was *record.Stdin) {
	if was == nil || a.input != nil {
		return
	}
	now := capture.Stdin(a.in)
	switch {
	case was.Kind != "file" && was.Kind != "pipe" && was.Kind != "socket":
	case was.Kind == now.Kind && was.Path == now.Path && was.Size == now.Size:
	case was.Kind == now.Kind && was.Path == now.Path:
		a.note("Its input, %s, had %d bytes and now has %d.", inputName(was), was.Size, now.Size)
	default:
		a.note("Its input was %s; it now reads %s.", inputName(was), inputName(now))
	}
}

// inputName names where standard input came from, fit for a message.
func inputName(in *record.Stdin) string {
	switch in.Kind {
	case "file":
		if in.Path != "" {
			return "the file " + safe.Bounded(in.Path)
		}
		return "a file"
	case "pipe", "socket", "terminal":
		return "a " + in.Kind
	case "null":
		return os.DevNull
	case "closed":
		return "nothing, as it is closed"
	}
	return "something else"
}

// readFrom makes a file, if one is named, the standard input of the command.
func (a *app) readFrom(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return &usageError{msg: "--stdin: " + err.Error(), help: "qme rerun --help"}
	}
	a.input = f
	return nil
}
