package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
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
		Usage:     "list the runs of a task, latest first",
		ArgsUsage: "[TASK]",
		Description: `With --json it prints one record per line (JSON Lines).

Examples:
  qme log
  qme log 019aaf3c
  qme log @2 --json`,
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print one record per line as JSON", Destination: &asJSON}},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			return cmd.run(ctx, c.Args().First(), asJSON)
		},
	}
}

func (cmd *logCommand) run(ctx context.Context, ref string, asJSON bool) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
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
	line := fmt.Sprintf("@%-3d %s  %6s  %s  %s", v.Number, d.Timestamp.Local().Format(time.DateTime), t.duration(rec), paint(fmt.Sprintf("%-13s", status)), safe.Line(d.Host))
	if d.Message != "" {
		line += "  " + safe.Line(d.Message)
	}
	t.rows++
	_, err := fmt.Fprintln(t.w, line)
	return err
}
