package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/internal/signalled"
	"qme/record"
	"qme/tasks"
)

type refreshCommand struct {
	term *terminal
	home *home
}

func (cmd *refreshCommand) command() *cli.Command {
	var asJSON bool
	return &cli.Command{
		Name:      "refresh",
		Usage:     "ask for the state of jobs, and record it",
		ArgsUsage: "[TASK…]",
		Description: `Without TASK it asks about all unfinished jobs that were started from here, with one
query to each scheduler. Each change is a commit. When a job has ended, its output is
stored in the record.

Examples:
  qme refresh
  qme refresh 019aaf3c --json`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the records as JSON, one per line", Destination: &asJSON},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			refs := c.Args().Slice()
			for _, ref := range refs {
				if ref == "" {
					return &usageError{msg: "refresh was given an empty argument", help: "qme refresh --help"}
				}
			}
			return cmd.run(ctx, refs, asJSON)
		},
	}
}

func (cmd *refreshCommand) run(ctx context.Context, refs []string, asJSON bool) error {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	all, err := q.Refresh(ctx, refs...)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		cmd.term.note("No job is open.")
		return nil
	}
	if err := cmd.showJobs(all, asJSON); err != nil {
		return err
	}
	for _, r := range all {
		if r.Changed {
			cmd.home.follow(q, tasks.AfterRefresh)
			break
		}
	}
	return refreshFailed(all)
}

func (cmd *refreshCommand) showJobs(all []tasks.Refreshed, asJSON bool) error {
	out := newFlusher(cmd.term.out)
	if asJSON {
		for _, r := range all {
			if err := writeJSONLine(out, r.Record); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, r := range all {
		job := r.Record.Data.Job
		never := ""
		if r.Never != "" {
			never = "; it will never start as it is"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Record.UID, safe.Line(job.ID), safe.Line(jobState(job))+never)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Flush()
}

// jobState describes the state of a job.
func jobState(job *record.Job) string {
	text := job.State
	if text == "" {
		text = "not known yet"
	}
	if summary := elementsSummary(job); summary != "" {
		text += ", " + summary
	}
	if rc := job.ReturnCode; rc != nil && *rc != 0 {
		text += fmt.Sprintf(", returncode %d", *rc)
	}
	if job.Reason != "" && !job.Final {
		text += " (" + job.Reason + ")"
	}
	return text
}

// waitsFor returns the text shown before the command of a task whose job waits for
// something other than its turn.
func waitsFor(rec *record.Record) string {
	const most = 60
	job := rec.Data.Job
	if job == nil || job.WaitsFor() == "" {
		return ""
	}
	return "[" + runewidth.Truncate(safe.Line(job.WaitsFor()), most, "…") + "] "
}

// elementsSummary counts the elements of an array job: "3 of 10 completed, 1 failed".
func elementsSummary(job *record.Job) string {
	if len(job.Elements) == 0 {
		return ""
	}
	completed, failed, cancelled := 0, 0, 0
	for _, e := range job.Elements {
		switch {
		case e.Final && e.ReturnCode != nil && *e.ReturnCode == 0:
			completed++
		case e.Final && strings.HasPrefix(e.State, "CANCELLED"):
			cancelled++
		case e.Final:
			failed++
		}
	}
	text := fmt.Sprintf("%d of %d completed", completed, len(job.Elements))
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if cancelled > 0 {
		text += fmt.Sprintf(", %d cancelled", cancelled)
	}
	return text
}

// refreshFailed joins the errors of single jobs.
func refreshFailed(all []tasks.Refreshed) error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.Err)
	}
	return tasks.FirstErrors(errs)
}
