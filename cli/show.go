package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
	"mvdan.cc/sh/v3/syntax"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type showCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *showCommand) command() *cli.Command {
	var command, children bool
	return &cli.Command{
		Name:      "show",
		Usage:     "show a task for reading: what ran, with what, and how it ended",
		ArgsUsage: "[TASK[@RUN]]",
		Description: `It shows the command, its state, time and place, code and software, resources, files,
the latest runs with what changed between them, and the end of both streams: errors
first if it failed. "qme get" has all of it as JSON.

Examples:
  qme show
  qme show @2
  qme show 019aaf3c@1
  eval "$(qme show --command @2)"`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "children", Usage: "list the runs that the command of the task gave, as \"qme search\" does", Destination: &children},
			&cli.BoolFlag{Name: "command", Usage: "print the command alone, as one line for a shell", Destination: &command},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			switch {
			case command && children:
				return &usageError{msg: "--command and --children exclude each other", help: "qme show --help"}
			case children:
				return cmd.children(ctx, c.Args().First())
			case command:
				return cmd.line(ctx, c.Args().First())
			}
			return cmd.run(ctx, c.Args().First())
		},
	}
}

// children lists the runs that the command of a task gave.
func (cmd *showCommand) children(ctx context.Context, ref string) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	q, err := parseQuery("parent:"+string(v.Record.UID), false)
	if err != nil {
		return err
	}
	search := &searchCommand{cmd.term, cmd.settings, cmd.home}
	return search.run(ctx, q, "", searchOptions{sort: sortOldest, allRuns: true})
}

// line prints the command of a run.
func (cmd *showCommand) line(ctx context.Context, ref string) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	line, err := pasteable(v.Record)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.term.out, line)
	return err
}

// pasteable returns the command of a run as one line that a shell runs in the same way, without
// any control character.
func pasteable(rec *record.Record) (string, error) {
	if line := typed(rec); safe.Line(line) == line {
		return line, nil
	}
	words := make([]string, len(rec.Data.Cmd))
	for i, word := range rec.Data.Cmd {
		if words[i] = executor.Quote([]string{word}); safe.Line(word) == word {
			continue
		}
		var err error
		if words[i], err = syntax.Quote(word, syntax.LangBash); err != nil {
			return "", fmt.Errorf("the command of task %s cannot be written as a line: %w: %w; \"qme get\" has it", rec.UID, err, record.ErrConflict)
		}
	}
	return strings.Join(words, " "), nil
}

func (cmd *showCommand) run(ctx context.Context, ref string) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	shown, err := findNumbered(q, ref)
	if err != nil {
		return err
	}
	runs, err := latestRuns(q, shown)
	if err != nil {
		return err
	}
	return cmd.term.listing(false, func(w *bufio.Writer) error {
		return cmd.term.newPage(w).write(shown, runs)
	})
}

// mostRuns is how many runs of a task are shown.
const mostRuns = 5

// latestRuns returns the latest runs of a task: those that are shown, and the one before them.
func latestRuns(q *tasks.Service, of tasks.Version) (runs []tasks.Version, err error) {
	for v, err := range q.Runs(string(of.Record.UID)) {
		if err != nil {
			return nil, err
		}
		if runs = append(runs, v); len(runs) > mostRuns {
			break
		}
	}
	return runs, nil
}
