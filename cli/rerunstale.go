package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// rerunStaleOptions are the flags of rerun that only --stale takes.
type rerunStaleOptions struct {
	stale, dryRun, json bool
	by                  string
}

func (o *rerunStaleOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "stale", Usage: "run again, in order, what makes each FILE as it would be made now: see \"qme stale\"", Destination: &o.stale},
		&cli.BoolFlag{Name: "dry-run", Usage: "with --stale, --query or --set: show what would be run", Destination: &o.dryRun},
		byFlag("with --stale: ", &o.by),
		&cli.BoolFlag{Name: "json", Usage: "with --check, or with --dry-run: print one task or step per line as JSON", Destination: &o.json},
	}
}

// check returns an error for options that do not go together.
func (o rerunStaleOptions) check(c *cli.Command, of rerunOptions, isCheck bool) error {
	wrong := func(format string, args ...any) error {
		return &usageError{msg: fmt.Sprintf(format, args...), help: "qme rerun --help"}
	}
	byQuery, sets := c.IsSet("query") || c.IsSet("saved"), c.IsSet(setOption)
	switch files := c.Args().Slice(); {
	case byQuery && (isCheck || o.stale):
		return wrong("--query and --saved go neither with --check nor with --stale")
	case sets && (isCheck || o.stale):
		return wrong("--set makes a new task, and goes neither with --check nor with --stale")
	case o.stale && isCheck:
		return wrong("--check and --stale do not go together")
	case !o.stale && o.by != "":
		return wrong("--by needs --stale")
	case !o.stale && o.dryRun && !byQuery && !sets:
		return wrong("--dry-run needs --stale, --query or --set")
	case !o.stale && o.json && !isCheck && !byQuery && !sets:
		return wrong("--json needs --check, --stale, --query or --set")
	case isCheck:
		return nil
	case sets && o.json && !o.dryRun:
		return wrong("--json needs --dry-run")
	case !o.stale && !byQuery:
		return oneTask(c)
	case byQuery && len(files) > 0:
		return noTask(c, files)
	case o.stale && (len(files) == 0 || slices.Contains(files, "")):
		return wrong("--stale needs the files that are to be made")
	case o.json && !o.dryRun:
		return wrong("--json needs --dry-run")
	case of.stdin != "" || of.idFile != "" || len(c.StringSlice("in"))+len(c.StringSlice("out"))+len(c.StringSlice("metric"))+len(c.StringSlice("metric-file")) > 0:
		return wrong("--stdin, --in, --out, --metric, --metric-file and --id-file are for one task, and neither for --stale nor for --query")
	}
	return nil
}

// rerunStale runs again what makes files as they would be made now.
func (cmd *rerunCommand) rerunStale(ctx context.Context, args []string, o rerunOptions, by rerunStaleOptions) error {
	kinds, err := kindsOf(by.by)
	if err != nil {
		return err
	}
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	s, err := q.Staleness(ctx, tasks.StaleOptions{Kinds: kinds, Agreed: o.yes})
	if err != nil {
		return err
	}
	defer s.Close()
	found, unmade, err := findStale(ctx, s, args)
	if err == nil {
		err = unmade
	}
	if err != nil {
		return err
	}
	plan, err := s.Plan(ctx, found.files)
	if err != nil {
		return cmd.withLine(err)
	}
	if !by.json && len(plan) == 0 && !slices.ContainsFunc(found.files, func(f *tasks.StaleFile) bool { return f.State != tasks.Fresh }) {
		cmd.term.beside("Nothing to run: what is asked for is as it would be made now.")
	}
	if by.dryRun {
		return cmd.term.listing(by.json, func(w *bufio.Writer) error { return writePlan(w, plan, by.json) })
	}
	if cmd.term.besides() {
		var text strings.Builder
		w := bufio.NewWriter(&text)
		if err := writePlan(w, plan, false); err != nil {
			return err
		}
		cmd.term.show(text.String())
	}
	if err := cmd.mayReplace(ctx, plan, o); err != nil {
		return err
	}
	if err := cmd.runPlan(ctx, s, plan, o); err != nil {
		return err
	}
	return errors.Join(copiesLeft(ctx, s, plan), cmd.notKnown(found.files))
}

// copiesLeft returns an error for files that are copies of what was made again, and are as they were.
func copiesLeft(ctx context.Context, s *tasks.Staleness, plan []tasks.Step) error {
	var errs []error
	for _, step := range plan {
		for _, f := range step.Copies {
			if !s.SameContent(ctx, f.MovedFrom, f.Path) {
				line := executor.Quote([]string{"cp", f.MovedFrom, f.Path})
				errs = append(errs, fmt.Errorf("%s stays as it was: it is a copy, and what was made again is %s; \"%s\" brings it up to date: %w", shownPath(f.Path), shownPath(f.MovedFrom), line, record.ErrConflict))
			}
		}
	}
	return errors.Join(errs...)
}

// notKnown returns an error if it is not known whether one of the files is fresh.
func (cmd *rerunCommand) notKnown(files []*tasks.StaleFile) error {
	var errs []error
	for _, f := range files {
		if f.State != tasks.NotKnown || f.Changes() {
			continue
		}
		why := f.Why
		if len(f.Reasons) > 0 {
			why = sinceText(f.Reasons[0].Since)
		}
		made := "it"
		if f.MovedFrom != "" {
			made = shownPath(f.MovedFrom)
		}
		errs = append(errs, fmt.Errorf("whether %s is stale is not known: %s (\"%s\" makes %s again, \"%s\" says that it does not matter): %w", shownPath(f.Path), why,
			cmd.term.line("rerun", string(f.Run.Record.UID)), made, cmd.term.line("stale", "--accept", f.Path), record.ErrConflict))
	}
	return errors.Join(errs...)
}

// withLine adds the command that makes a file which a rerun alone does not.
func (cmd *rerunCommand) withLine(err error) error {
	var step *tasks.StepError
	if errors.As(err, &step) && step.Redirected {
		return fmt.Errorf("%w: %s >%s", err, cmd.term.line("rerun", string(step.Run.Record.UID)), executor.Quote([]string{step.File}))
	}
	return err
}

// mayReplace asks before files are replaced that were changed by hand.
func (cmd *rerunCommand) mayReplace(ctx context.Context, plan []tasks.Step, o rerunOptions) error {
	var edited []string
	for _, step := range plan {
		for _, path := range step.Edited {
			edited = append(edited, shownPath(path))
		}
	}
	if len(edited) == 0 || o.yes {
		return nil
	}
	text := strings.Join(edited, ", ")
	if !isTerminal(cmd.term.in) || !isTerminal(cmd.term.err) {
		return fmt.Errorf("changed by hand, and would be replaced: %s (--yes replaces that; \"%s\" says that it is right as it is): %w", text, cmd.term.line("stale", "--accept", "FILE"), record.ErrConflict)
	}
	return cmd.term.ask(ctx, "Replace what was changed by hand: "+text, codeError{exitConflict, errors.New("nothing was run")}, "")
}

// runPlan runs the steps of a plan, but for those whose inputs came out as they were, and those that
// depend on one that has failed. The error is that of the first step that has failed.
func (cmd *rerunCommand) runPlan(ctx context.Context, s *tasks.Staleness, plan []tasks.Step, o rerunOptions) error {
	failed := make([]bool, len(plan))
	var first error
	for i, step := range plan {
		if j := slices.IndexFunc(step.After, func(before int) bool { return failed[before] }); j >= 0 {
			failed[i] = true
			cmd.term.note("Not run, since what it is made from was not made: %s", safe.Bounded(typed(step.Run.Record)))
			continue
		}
		if len(step.After) > 0 {
			needed, err := s.StillNeeded(ctx, step)
			if err != nil {
				return err
			}
			if !needed {
				cmd.term.beside("Not needed, since what it is made from came out equal: %s", safe.Bounded(typed(step.Run.Record)))
				continue
			}
		}
		err := cmd.runStep(ctx, step, o)
		var signalled *signalError
		if errors.As(err, &signalled) || ctx.Err() != nil {
			return err
		}
		if err != nil {
			failed[i] = true
			if first == nil {
				first = err // qme ends with it
			} else if _, msg, _ := cmd.settings.explain(err); msg != "" {
				cmd.term.fail(msg)
			}
		}
	}
	return first
}

// runStep runs the task of a step again, as rerun does, and waits for its job.
func (cmd *rerunCommand) runStep(ctx context.Context, step tasks.Step, o rerunOptions) error {
	rec := step.Run.Record
	cmd.home.input = nil
	if in := rec.Data.Stdin; in != nil && in.Kind == "file" && in.Path != "" {
		o.stdin = in.Path
	}
	if files := rec.Data.Files; files != nil && files.Trace != nil {
		o.trace = true // else it would not be known any more what the file comes from
	}
	cmd.term.beside("Task %s: %s", rec.UID, safe.Bounded(typed(rec)))
	q, rep, err := cmd.run(ctx, string(rec.UID), o, nil)
	if err != nil {
		return err
	}
	if err := cmd.home.finishRun(q, rep); err != nil || rep.Record.Data.Job == nil {
		return err
	}
	done, err := q.Wait(ctx, string(rec.UID), nil)
	if err != nil {
		return err
	}
	if code := done.Code(); code == nil || *code != 0 {
		return &codeError{exitFailure, fmt.Errorf("the job of task %s has not ended well", rec.UID)}
	}
	return nil
}

// A stepJSON is a step in the output of rerun --stale --dry-run --json.
type stepJSON struct {
	UID     record.ID    `json:"uid"`
	Run     int          `json:"run"`
	RunID   record.RunID `json:"run_id,omitempty"`
	Command string       `json:"command"`
	Files   []string     `json:"files"`
	After   []record.ID  `json:"after"`
	Reasons []reasonJSON `json:"reasons"`
	Edited  []string     `json:"edited,omitempty"`
	Copies  []string     `json:"copies,omitempty"`
}

// writePlan prints what is to be run, in order.
func writePlan(w *bufio.Writer, plan []tasks.Step, asJSON bool) error {
	for i, step := range plan {
		var err error
		if asJSON {
			rec := step.Run.Record
			j := stepJSON{UID: rec.UID, Run: step.Run.Number, RunID: rec.Data.RunID, Command: rec.Command, Files: step.Files, After: []record.ID{}, Reasons: reasonsJSON(step.Reasons), Edited: step.Edited}
			for _, f := range step.Copies {
				j.Copies = append(j.Copies, f.Path)
			}
			for _, before := range step.After {
				j.After = append(j.After, plan[before].Run.Record.UID)
			}
			err = writeJSON(w, j)
		} else {
			err = writeStep(w, i+1, step)
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

func writeStep(w *bufio.Writer, n int, step tasks.Step) error {
	var files []string
	for _, path := range step.Files {
		files = append(files, shownPath(path))
	}
	fmt.Fprintf(w, "%d. %s  %s\n", n, strings.Join(files, ", "), safe.Bounded(typed(step.Run.Record)))
	for _, f := range step.Copies {
		fmt.Fprintf(w, "   %s is a copy, and stays as it is\n", shownPath(f.Path))
	}
	for _, path := range step.Edited {
		fmt.Fprintf(w, "   replaces %s, which was changed by hand\n", shownPath(path))
	}
	writeReasons(w, "   ", step.Reasons, 0)
	if len(step.After) > 0 {
		var before []string
		for _, i := range step.After {
			before = append(before, fmt.Sprintf("%d", i+1))
		}
		fmt.Fprintf(w, "   after %s, if that changes what it is made from\n", strings.Join(before, " and "))
	}
	return w.Flush()
}
