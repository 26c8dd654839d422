package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type logCommand struct {
	term *terminal
	home *home
}

func (cmd *logCommand) command() *cli.Command {
	var asJSON bool
	return &cli.Command{
		Name:      "log",
		Usage:     "list the runs of a task, or those that made a file, latest first",
		ArgsUsage: "[TASK|FILE]",
		Description: `With --json it prints one record per line (JSON Lines).

What names no task, but a file that exists, is a file, for which it prints the same as
"qme made FILE". With a slash, as in ./FILE, it is only a file.

Examples:
  qme log
  qme log 019aaf3c
  qme log ./figure.png
  qme log @2 --json`,
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print one record per line as JSON", Destination: &asJSON}},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			return cmd.run(ctx, c, c.Args().First(), asJSON)
		},
	}
}

func (cmd *logCommand) run(ctx context.Context, c *cli.Command, arg string, asJSON bool) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	of, err := namedBy(q, arg)
	switch {
	case err != nil:
		return err
	case of.file != "":
		if arg == tasks.MadeStdin {
			arg = of.file
		}
		return (&madeCommand{cmd.term, cmd.home}).run(ctx, q, []string{arg}, madeOptions{json: asJSON, limit: tasks.MostMade})
	}
	if err := wholeTask(c, arg); err != nil {
		return err
	}
	return cmd.runs(q, string(of.task.Record.UID), asJSON)
}

func (cmd *logCommand) runs(q *tasks.Service, ref string, asJSON bool) error {
	return cmd.term.listing(asJSON, func(w *bufio.Writer) error {
		t := cmd.term.newTable(w)
		for v, err := range q.Runs(ref) {
			if err == nil && asJSON {
				err = writeJSONLine(w, v.Record)
			} else if err == nil {
				err = t.run(v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// verdict returns the verdict of a check in its colour.
func (t *table) verdict(c *record.Check) string { return t.verdictWords(c, c.Verdict) }

// verdictWords returns a text in the colour of the verdict of a check.
func (t *table) verdictWords(c *record.Check, text string) string {
	switch c.Verdict {
	case record.CheckReproduced, record.CheckOutput:
		return t.color.green(text)
	case record.CheckDiffers:
		return t.color.red(text)
	}
	return t.color.yellow(text)
}

// run prints one run of a task.
func (t *table) run(v tasks.Version) error {
	rec, d := v.Record, v.Record.Data
	if t.rows == 0 {
		if _, err := fmt.Fprintf(t.w, "%s  %s\n", t.color.bold(string(rec.UID)), safe.Line(rec.Command)); err != nil {
			return err
		}
	}
	status, paint := t.status(rec)
	if _, err := strconv.Atoi(status); err == nil {
		status = "returncode " + status
	}
	line := fmt.Sprintf("%-4s %s  %6s  %s  %s", v.Suffix(), d.Timestamp.Local().Format(time.DateTime), t.duration(rec), paint(fmt.Sprintf("%-13s", status)), safe.Line(d.Host))
	if c := d.Check; c != nil {
		line += "  check: " + t.verdict(c)
	}
	if d.Message != "" {
		line += "  " + safe.Line(d.Message)
	}
	t.rows++
	_, err := fmt.Fprintln(t.w, line)
	return err
}
