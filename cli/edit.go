package cli

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/executor/capture"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks/waiting"
)

type editCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *editCommand) command() *cli.Command {
	o := new(termOptions)
	return &cli.Command{
		Name:      "edit",
		Usage:     "change a waiting task: its command, when it may start, what it gets",
		ArgsUsage: "TASK [-- CMD [ARG…]]",
		Description: `What is not named stays as it is. --after, --after-any and --after-failed together take
the place of all tasks for which it has waited. The word "none" takes a condition away, as
in --at none or --cpus none, --queue none puts the task into the default queue, and
--halt-on-failure=false has its failure pause nothing.

A command behind -- takes the place of the task's. Its directory and its environment stay.

Examples:
  qme edit 019aaf3c --priority 10
  qme edit 019aaf3c --after @2 --at none
  qme edit @1 --queue gpu --gpus 2
  qme edit @1 --queue none --gpus none
  qme edit @1 -- python train.py --lr=1e-4`,
		Flags:                     o.flags(),
		DisableSliceFlagSeparator: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			ref, words, err := cmd.arguments(c)
			if err != nil {
				return err
			}
			if len(words) == 0 && !o.set(c) {
				return editUsage("edit needs something to change: an option, or a command behind --")
			}
			return cmd.run(ctx, c, ref, words, o)
		},
	}
}

func editUsage(text string) error { return &usageError{msg: text, help: "qme edit --help"} }

// arguments returns the task that a command line names, and the words behind --.
func (cmd *editCommand) arguments(c *cli.Command) (ref string, words []string, err error) {
	words = c.Args().Slice()
	before, dashes := c.Metadata[beforeDashes].(int)
	switch {
	case len(words) == 0 || dashes && before == 0:
		return "", nil, &usageError{msg: "edit which task?", help: "qme queue"}
	case words[0] == "":
		return "", nil, editUsage("edit was given an empty argument")
	case dashes && before > 1 || !dashes && len(words) > 1:
		return "", nil, editUsage("edit takes one task; a command stands behind --, as in qme edit " + words[0] + " -- CMD")
	case dashes && len(words) == 1:
		return "", nil, editUsage("there is no command behind --")
	}
	if err := wholeTask(c, words[0]); err != nil {
		return "", nil, err
	}
	return words[0], words[1:], nil
}

func (cmd *editCommand) run(ctx context.Context, c *cli.Command, ref string, words []string, o *termOptions) error {
	var what executor.Command
	if len(words) > 0 {
		cfg, err := cmd.settings.runConfig()
		if err != nil {
			return err
		}
		if what, err = cmd.settings.executors(cfg).Recognise(words); err != nil {
			return err
		}
	}
	q, err := cmd.home.changing(ctx)
	if err != nil {
		return err
	}
	change, err := o.read(c, finder(q))
	if err != nil {
		return err
	}
	id, err := waitingTask(cmd.home, q, ref)
	if err != nil {
		return err
	}
	all := cmd.home.queue(q)
	env, err := q.Waiting.Environment(id)
	if err != nil {
		return leftMeanwhile(cmd.home, q, id, err)
	}
	var changed []string
	missing := ""
	err = all.Edit(ctx, id, func(e *waiting.Entry, rec *record.Record) error {
		change(&e.Terms)
		if err := o.checkDelay(c, &e.Terms); err != nil {
			return err
		}
		if err := all.NoCycle(id, e.After); err != nil {
			return err
		}
		if len(words) > 0 {
			if err := q.Replace(what, e, rec); err != nil {
				return err
			}
			missing = capture.Missing(what.Argv, env, string(e.Dir))
		}
		rec.Data.Queue = e.Described()
		if changed = o.changed(c, e.Terms); len(words) > 0 {
			changed = append(changed, "command "+safe.Bounded(typed(rec)))
		}
		return nil
	})
	if err != nil {
		return leftMeanwhile(cmd.home, q, id, err)
	}
	if missing != "" {
		cmd.term.warn(willFail, missing)
	}
	cmd.term.note("Task %s is changed: %s.", id, strings.Join(changed, ", "))
	return nil
}
