package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type diffCommand struct {
	term *terminal
	home *home
}

func (cmd *diffCommand) command() *cli.Command {
	var asJSON, exitCode, withCode bool
	return &cli.Command{
		Name:      "diff",
		Usage:     "show what changed between two runs",
		ArgsUsage: "[TASK[@RUN] [TASK[@RUN]]]",
		Description: `With one task, it compares the latest run (or the given one) with the run before
it; without a task, the runs of the task that you gave last. It shows the fields that
differ, and both streams as a unified diff. For jobs it compares the state, return
code, resources and output of the job. If only one of the runs had a terminal,
colours are ignored.

It ends with 5 if there is nothing to compare because the task has been run once.

Examples:
  qme diff
  qme diff 019aaf3c
  qme diff 019aaf3c@1 019aaf3c@3
  qme diff --code 019aaf3c
  qme diff @2 @1 --exit-code`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &asJSON},
			&cli.BoolFlag{Name: "code", Usage: "print how the code of the two runs differs, too", Destination: &withCode},
			&cli.BoolFlag{Name: "exit-code", Usage: "exit with 1 if return code, status or output differ", Destination: &exitCode},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 2); err != nil {
				return err
			}
			return cmd.run(ctx, c.Args().Slice(), asJSON, exitCode, withCode)
		},
	}
}

func (cmd *diffCommand) run(ctx context.Context, refs []string, asJSON, exitCode, withCode bool) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	from, to, err := runsToCompare(q, refs)
	if err != nil {
		return err
	}
	cmp, err := q.Compare(from, to, tasks.DiffLimit)
	if err != nil {
		return err
	}
	code, err := q.Code(ctx, cmp, withCode)
	if err != nil {
		return err
	}
	err = cmd.term.listing(asJSON, func(w *bufio.Writer) error {
		if asJSON {
			return writeDiffJSON(w, cmp, code)
		}
		return writeDiff(w, cmd.term.palette(), cmp, code, withCode)
	})
	if err != nil {
		return err
	}
	if exitCode && !cmp.Same() {
		return &codeError{code: exitFailure}
	}
	return nil
}

func runsToCompare(q *tasks.Service, refs []string) (from, to tasks.Version, err error) {
	if len(refs) == 2 {
		if from, err = findNumbered(q, refs[0]); err == nil {
			to, err = findNumbered(q, refs[1])
		}
		return from, to, err
	}
	if to, err = findNumbered(q, strings.Join(refs, "")); err != nil {
		return from, to, err
	}
	if to.Check > 0 {
		from, err = q.Find(fmt.Sprintf("%s@%d", to.Record.UID, to.Number))
		return from, to, err
	}
	if to.Number < 2 {
		return from, to, fmt.Errorf("there is nothing to compare: task %s has no run before run %d; \"qme diff A B\" compares two: %w", to.Record.UID, to.Number, record.ErrConflict)
	}
	from, err = q.Find(fmt.Sprintf("%s@%d", to.Record.UID, to.Number-1))
	return from, to, err
}

// findNumbered finds a run with its number. The number of the latest run is known only
// after the runs of all machines have been counted.
func findNumbered(q *tasks.Service, ref string) (tasks.Version, error) {
	v, err := q.Find(ref)
	if err != nil || v.Number != 0 {
		return v, err
	}
	for run, err := range q.Runs(string(v.Record.UID)) {
		if err != nil || record.SameRun(run.Record, v.Record) {
			return run, err
		}
	}
	return v, nil
}

func writeDiff(w *bufio.Writer, p palette, c *tasks.Comparison, code []tasks.CodeChange, withCode bool) error {
	fmt.Fprintf(w, "%s\n%s\n", p.bold("from "+c.A.Name()), p.bold("to   "+c.B.Name()))
	fields, more := tasks.Abridged(c.Fields, tasks.ShownPackages)
	for _, f := range fields {
		fmt.Fprintf(w, "%s: %s -> %s\n", safe.Line(f.Name), shown(f.From), shown(f.To))
	}
	if more > 0 {
		fmt.Fprintf(w, "%d more packages differ.\n", more)
	}
	for _, change := range code {
		writeCode(w, p, change)
	}
	if !withCode {
		code = nil
	}
	for _, change := range code {
		if err := writeCodeDiff(w, p, change); err != nil {
			return err
		}
	}
	for _, note := range c.Notes {
		fmt.Fprintln(w, safe.Line(note))
	}
	for _, s := range []tasks.StreamChange{c.Stdout, c.Stderr} {
		if err := writeStreamDiff(w, p, c, s); err != nil {
			return err
		}
	}
	if c.Same() {
		fmt.Fprintln(w, "Return code and output are the same.")
	}
	return w.Flush()
}

func shown(s string) string {
	if s == "" {
		return "(none)"
	}
	return safe.Line(s)
}

func writeStreamDiff(w *bufio.Writer, p palette, c *tasks.Comparison, s tasks.StreamChange) error {
	if s.Same {
		return nil
	}
	if s.Note != "" {
		if _, err := fmt.Fprintf(w, "%s: %s\n", s.Name, safe.Line(s.Note)); err != nil {
			return err
		}
	}
	return writeUnified(w, p, c.Unified(s))
}

// writeUnified prints a unified diff in colours.
func writeUnified(w *bufio.Writer, p palette, diff string) error {
	for line := range strings.Lines(diff) {
		line = safe.Message(strings.TrimSuffix(line, "\n"))
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			line = p.bold(line)
		case strings.HasPrefix(line, "+"):
			line = p.green(line)
		case strings.HasPrefix(line, "-"):
			line = p.red(line)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// A streamJSON is a stream in the output of --json.
type streamJSON struct {
	Name string `json:"name"`
	Same bool   `json:"same"`
	Diff string `json:"diff,omitempty"`
	Note string `json:"note,omitempty"`
}

func writeDiffJSON(w *bufio.Writer, c *tasks.Comparison, code []tasks.CodeChange) error {
	stream := func(s tasks.StreamChange) streamJSON {
		j := streamJSON{Name: s.Name, Same: s.Same, Note: s.Note}
		if !s.Same {
			j.Diff = c.Unified(s)
		}
		return j
	}
	b, err := json.Marshal(map[string]any{
		"from": c.A.Name(), "to": c.B.Name(), "same": c.Same(), "fields": append([]tasks.FieldChange{}, c.Fields...),
		"code": codeJSON(code), "usage": map[string]*record.Usage{"from": c.A.Record.Data.Usage, "to": c.B.Record.Data.Usage}, "stdout": stream(c.Stdout), "stderr": stream(c.Stderr), "notes": append([]string{}, c.Notes...),
	})
	if err != nil {
		return err
	}
	_, err = w.Write(append(safe.JSON(b), '\n'))
	return err
}
