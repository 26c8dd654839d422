package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/queue"
	"qme/record"
	"qme/record/safe"
)

func (a *app) rerunCommand() *cli.Command {
	var yes bool
	var stdin string
	return &cli.Command{
		Name:      "rerun",
		Usage:     "run a task again, in the same directory",
		ArgsUsage: "[TASK]",
		Description: `The task keeps its id, and its earlier runs: see "qme log" and "qme diff".
Without TASK it is the one that you gave last.

A command that was not given in this home, by you, is shown and asked about: it
came with a pull. Where nobody can be asked --yes is needed.

Examples:
  qme rerun
  qme rerun 019aaf3c
  qme -m "with more memory" rerun @2
  qme rerun --stdin data.txt @3`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "do not ask about a command that was not given here", Destination: &yes},
			&cli.StringFlag{Name: "stdin", Usage: "give the command `FILE` as standard input", Destination: &stdin, TakesFile: true},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			if _, err := a.homeDir(); err != nil {
				return err
			}
			if err := a.readFrom(stdin); err != nil {
				return err
			}
			if _, err := a.runConfig(); err != nil {
				return err
			}
			q, err := a.queue()
			if err != nil {
				return err
			}
			ref := c.Args().First()
			rep, err := q.Rerun(ctx, ref, queue.RunOptions{Message: a.message, Quiet: a.quiet,
				Confirm: func(rec *record.Record, own bool) error { return a.confirmRerun(ctx, ref, rec, own, yes) }})
			if err != nil {
				return err
			}
			return a.finishRun(rep)
		},
	}
}

// confirmRerun says which command is about to be run again where that was not typed, and
// whose it is where it was not given here; then it asks.
func (a *app) confirmRerun(ctx context.Context, ref string, rec *record.Record, own, yes bool) error {
	if own {
		a.taken(ref, rec)
		return nil
	}
	f := foreignCommand(rec)
	if yes {
		a.note("%s", f)
		return nil
	}
	a.say("%s", f)
	if !isTerminal(a.in) || !isTerminal(a.err) {
		return fmt.Errorf("task %s was not given in this home: %w (\"qme rerun --yes %s\" runs it again, as you and here)", rec.UID, record.ErrConflict, rec.UID)
	}
	return a.ask(ctx, "Run it here, as you", codeError{exitConflict, errors.New("nothing was run")}, "")
}

// taken says which task a command takes that changes something, where that was not typed
// but follows from what is there.
func (a *app) taken(ref string, rec *record.Record) {
	if ref == "" || strings.HasPrefix(ref, "@") {
		a.note("Task %s: %s", rec.UID, bounded(typed(rec)))
	}
}

// typed is recorded as the user has typed it, where that is the same.
func typed(rec *record.Record) string {
	if cmd := rec.Data.Cmd; len(cmd) == 3 && cmd[1] == "-c" && cmd[2] == rec.Command {
		return rec.Command
	}
	return recorded(rec)
}

// recorded returns the command of a record for people: as it would be run again, since
// what a record says of its command beside that may be anything.
func recorded(rec *record.Record) string {
	if len(rec.Data.Cmd) == 0 {
		return rec.Command
	}
	return executor.Quote(rec.Data.Cmd)
}

// A foreign is whose command a record holds, and what it would do, fit for a terminal.
type foreign struct{ User, Host, Dir, Command string }

func foreignCommand(rec *record.Record) foreign {
	return foreign{bounded(rec.Data.User), bounded(rec.Data.Host), bounded(rec.Data.PWD), bounded(recorded(rec))}
}

// String says it in two lines or more.
func (f foreign) String() string {
	return fmt.Sprintf("This command was not given in this home. Its record says that it is by %s on %s, in %s:\n  %s", f.User, f.Host, f.Dir, f.Command)
}

// The characters of a text that are shown: where it is longer, so many of its beginning
// and of its end.
const (
	boundedHead = 1000
	boundedTail = 500
)

// bounded makes a text of a record fit for a message. What is left out is counted, since
// it may be what matters.
func bounded(s string) string {
	r := []rune(safe.Line(s))
	if left := len(r) - boundedHead - boundedTail; left > 0 {
		return fmt.Sprintf("%s … %d characters … %s", string(r[:boundedHead]), left, string(r[len(r)-boundedTail:]))
	}
	return string(r)
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
	a.in = f
	return nil
}
