package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/provenance/compare"
	"qme/record"
	"qme/tasks"
)

// checkOptions are the flags of rerun that only --check takes.
type checkOptions struct {
	check, exact, inPlace, sameInputs, sandbox bool
	tolerance                                  float64
	jobs                                       int
	json                                       *bool // it is also that of --stale
}

func (o *checkOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "check", Usage: "say whether the run reproduces an earlier one; files that it makes again are kept as they are", Destination: &o.check},
		&cli.BoolFlag{Name: "exact", Usage: "with --check: count places as different that come from the run itself, such as its times", Destination: &o.exact},
		&cli.FloatFlag{Name: "tolerance", Usage: "with --check: numbers are equal up to this part, `T`, of them, such as 1e-6", Destination: &o.tolerance},
		&cli.BoolFlag{Name: "same-inputs", Usage: "with --check: run nothing if an input is not as it was", Destination: &o.sameInputs},
		&cli.BoolFlag{Name: "in-place", Usage: "with --check: leave the files that it makes in the place of the earlier ones", Destination: &o.inPlace},
		&cli.BoolFlag{Name: "sandbox", Usage: "with --check: run it in a copy of the recorded code, with copies of its inputs", Destination: &o.sandbox},
		&cli.IntFlag{Name: "jobs", Usage: "with --check: check up to `N` tasks at once, but those whose files meet one after the other", HideDefault: true, Destination: &o.jobs},
	}
}

// given reports whether one of the flags is given that need --check.
func (o *checkOptions) given() bool {
	return o.exact || o.sandbox || o.inPlace || o.sameInputs || o.tolerance != 0 || o.jobs != 0
}

// valid returns an error for options that do not go together.
func (o *checkOptions) valid(c *cli.Command, of rerunOptions) error {
	wrong := func(format string, args ...any) error {
		return &usageError{msg: fmt.Sprintf(format, args...), help: "qme rerun --help"}
	}
	several := c.Args().Len() > 1
	switch {
	case !o.check && o.given():
		return wrong("--exact, --tolerance, --same-inputs, --in-place, --sandbox and --jobs need --check")
	case !o.check:
		return nil
	case !(o.tolerance >= 0 && o.tolerance < 1):
		return wrong("--tolerance takes a number from 0 to 1, such as 1e-6")
	case o.jobs < 0 || c.IsSet("jobs") && o.jobs == 0:
		return wrong("--jobs takes a number from 1")
	case o.sandbox && o.inPlace:
		return wrong("--sandbox and --in-place do not go together")
	case o.exact && o.tolerance > 0:
		return wrong("--exact allows for no tolerance")
	case len(c.StringSlice("in"))+len(c.StringSlice("out")) > 0:
		return wrong("--check looks for the files that the earlier run has declared, so it takes neither --in nor --out")
	case len(c.StringSlice("metric"))+len(c.StringSlice("metric-file")) > 0:
		return wrong("--check looks for the metrics that the earlier run has recorded, so it takes neither --metric nor --metric-file")
	case several && (of.stdin != "" || of.idFile != ""):
		return wrong("--stdin and --id-file are for one task")
	}
	return nil
}

// words returns the words of a command line with these options.
func (o *checkOptions) words() []string {
	words := []string{"--check"}
	for _, flag := range []struct {
		name  string
		given bool
	}{{"--exact", o.exact}, {"--same-inputs", o.sameInputs}, {"--in-place", o.inPlace}, {"--sandbox", o.sandbox}, {"--json", *o.json}} {
		if flag.given {
			words = append(words, flag.name)
		}
	}
	if o.tolerance > 0 {
		words = append(words, "--tolerance", strconv.FormatFloat(o.tolerance, 'g', -1, 64))
	}
	return words
}

func (o *checkOptions) options() tasks.CheckOptions {
	return tasks.CheckOptions{Compare: compare.Options{Exact: o.exact, Tolerance: o.tolerance}, InPlace: o.inPlace, Sandbox: o.sandbox, SameInputs: o.sameInputs}
}

// rerunChecks checks tasks, one after the other, and ends with the worst of their codes.
func (cmd *rerunCommand) rerunChecks(ctx context.Context, refs []string, o rerunOptions, check checkOptions) error {
	if len(refs) == 0 {
		refs = []string{""}
	}
	if len(refs) > 1 && check.jobs > 1 {
		return cmd.rerunChecksAtOnce(ctx, refs, o, check)
	}
	var worst error
	code := 0
	for _, ref := range refs {
		err := cmd.rerunCheck(ctx, ref, o, check)
		var signal *signalError
		if errors.As(err, &signal) {
			return err
		}
		now, msg, hint := cmd.settings.explain(err)
		if len(refs) > 1 && msg != "" {
			cmd.term.fail(msg)
			if hint != "" {
				cmd.term.say("%s", hint)
			}
			err = &codeError{code: now}
		}
		if now > code {
			code, worst = now, err
		}
		if now == exitInterrupted {
			break
		}
	}
	return worst
}

// rerunCheck checks one task.
func (cmd *rerunCommand) rerunCheck(ctx context.Context, ref string, o rerunOptions, check checkOptions) error {
	started, err := idFile(o.idFile)
	if err != nil {
		return err
	}
	q, opts, err := cmd.prepare(ctx, ref, o, started)
	if err != nil {
		return err
	}
	o.check = check.words()
	set := check.options()
	set.Before = func(ref tasks.Version, changed []tasks.Since) {
		if cmd.term.besides() && isTerminal(cmd.term.err) {
			cmd.term.beside("Different from run %d: %s", ref.Number, changedText(changed, "nothing that was recorded"))
		}
	}
	opts.Confirm = func(rec *record.Record, own bool) error { return cmd.agree(ctx, ref, rec, own, o) }
	c, err := q.Check(ctx, ref, set, opts)
	if err != nil {
		return cmd.notChecked(err, o)
	}
	recorded(started, c.Report)
	return cmd.tellCheck(q, c, *check.json)
}

// notChecked returns the error of a check that was not made.
func (cmd *rerunCommand) notChecked(err error, o rerunOptions) error {
	if code := codeOf(err); code != exitFailure {
		return cmd.withInput(err, o)
	}
	return &codeError{exitNotRun, err}
}

// tellCheck prints the outcome of a check, and returns an error with its code.
func (cmd *rerunCommand) tellCheck(q *tasks.Service, c *tasks.Checked, asJSON bool) error {
	rec := c.Record
	if errors.Is(c.Err, tasks.ErrNotRecorded) {
		cmd.term.say("qme: NOT RECORDED: %v", c.Err)
	}
	if c.AsideErr != nil {
		cmd.term.say("qme: %v", c.AsideErr)
	}
	err := cmd.term.listing(true, func(w *bufio.Writer) error {
		if asJSON {
			return writeJSON(w, checkJSONOf(c))
		}
		p := &checkPage{w: w, t: cmd.term.newTable(w), c: c}
		p.write(shortOf(q, rec.UID))
		return nil
	})
	if err != nil {
		return err
	}
	cmd.home.follow(q, tasks.AfterRun)
	switch {
	case (c.Interrupted || rec.Data.Status == record.Cancelled) && rec.Data.Signal != "":
		rc := *rec.Data.ReturnCode
		return &signalError{code: &codeError{code: rc}, signal: syscall.Signal(rc - 128)}
	case c.Interrupted:
		return &codeError{code: exitInterrupted}
	case c.AsideErr != nil:
		return &codeError{code: exitFailure}
	case c.Verdict() == record.CheckReproduced || c.Verdict() == record.CheckOutput:
		return nil
	}
	return &codeError{code: exitFailure}
}

// shortOf returns the short name of a task.
func shortOf(q *tasks.Service, id record.ID) string {
	v, err := q.View()
	if err != nil {
		return string(id)
	}
	short, err := v.Short(id, 0)
	if err != nil {
		return string(id)
	}
	return short
}
