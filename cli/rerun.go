package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/executor/capture"
	"qme/internal/safe"
	"qme/provenance"
	"qme/record"
	"qme/tasks"
	"qme/tasks/live"
)

type rerunCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *rerunCommand) command() *cli.Command {
	var o rerunOptions
	var stale rerunStaleOptions
	var from queryFlags
	check := checkOptions{json: &stale.json}
	return &cli.Command{
		Name:      "rerun",
		Usage:     "run a task again, in the same directory",
		ArgsUsage: "[TASK | --query QUERY | --check [TASK…] | --stale FILE…]",
		Description: `The task keeps its id, and its earlier runs: see "qme log" and "qme diff".
The default is the task that you gave last. It runs in the current environment; a
message names the recorded variables (setting run.env) that have another value now.

If the command has a secret that is masked in the record ([masked:NAME]), its value is
that of the variable NAME now, or qme asks for it at the terminal.

Files that were declared (qme run --in, --out) are looked for again; with --in or
--out others take their place, as for metrics with --metric or --metric-file. Only with
--trace is the rerun traced, too.

With --query it runs all tasks again that match, in the language of "qme search", one
after another in the order of their ids. One that fails does not stop the others. For
more than 20 it asks. --dry-run shows them. Without a terminal, and of commands that you
have not given here, it is as for one task.

With --set the command runs with another value of a parameter, as a new task that names
this one: NAME of the sweep that has made it or, where it is of none, what follows
--NAME or NAME= in the command. In a line for the shell the value is quoted.

With --stale it runs again what makes each FILE as it would be made now, in order, and
leaves out what is made from files that come out as they were: see "qme stale".

With --check it says whether the run reproduces the latest one, or TASK@RUN: its return
code, output and files, and what was different beforehand. Files that it makes again
stay as they are. It ends with 0 if it does, with 1 if it differs, and with 5 if it was
not run.

If you have not given the command in this home (it came with a pull), it is shown,
and qme asks for confirmation. Without a terminal it needs --yes.

Examples:
  qme rerun
  qme rerun 019aaf3c
  qme -m "with more memory" rerun @2
  qme rerun --stdin data.txt @3
  qme rerun --out 'results/*.csv'
  qme rerun --no-output @1
  qme rerun --set lr=0.01 @1
  qme rerun --query 'tag:paper failed'
  qme rerun --check
  qme rerun --check --tolerance 1e-6 baseline @2
  qme rerun --check --same-inputs --json baseline@1
  qme rerun --check --sandbox baseline
  qme rerun --check --jobs 4 baseline @2 @3
  qme rerun --stale figure.png --dry-run`,
		DisableSliceFlagSeparator: true,
		Flags: slices.Concat(declareFlags(), from.flags("run all tasks again that match the `QUERY`, as in \"qme search\""), check.flags(), stale.flags(), []cli.Flag{
			hashFlag(&o.hash), traceFlag(&o.trace), noOutputFlag(&o.noOutput), idFileFlag(&o.idFile),
			&cli.BoolFlag{Name: "yes", Usage: "do not ask about a command that was not given here", Destination: &o.yes},
			&cli.StringSliceFlag{Name: setOption, Usage: "run it with another value, as a new task: `NAME=VALUE`; may be repeated"},
			&cli.StringFlag{Name: "stdin", Usage: "use `FILE` as the standard input of the command", Destination: &o.stdin, TakesFile: true},
			&cli.BoolFlag{Name: "report", Usage: "report how it begins on descriptor 3 (internal)", Destination: &o.report, Hidden: true},
		}, metricFlags()),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := check.valid(c, o); err != nil {
				return err
			}
			if err := stale.check(c, o, check.check); err != nil {
				return err
			}
			var err error
			if o.set, err = readValues(c, setOption); err != nil {
				return err
			}
			what, err := from.query(c, cmd.settings)
			if err != nil {
				return err
			}
			if what != nil {
				return cmd.rerunQuery(ctx, what, from, o, stale)
			}
			if check.check {
				return cmd.rerunChecks(ctx, c.Args().Slice(), o, check)
			}
			if stale.stale {
				return cmd.rerunStale(ctx, c.Args().Slice(), o, stale)
			}
			if o.declared, err = readDeclared(c); err != nil {
				return err
			}
			if o.metrics, err = readMetrics(c); err != nil {
				return err
			}
			if stale.dryRun { // with --set
				return cmd.showChanged(ctx, c.Args().First(), o, stale.json)
			}
			if o.report {
				return cmd.rerunReporting(ctx, c.Args().First(), o)
			}
			started, err := idFile(o.idFile)
			if err != nil {
				return err
			}
			q, rep, err := cmd.run(ctx, c.Args().First(), o, started)
			if err != nil {
				return err
			}
			recorded(started, rep)
			return cmd.home.finishRun(q, rep)
		},
	}
}

// run runs a task again, and returns the use cases that ran it. started is as in
// tasks.RunOptions.
func (cmd *rerunCommand) run(ctx context.Context, ref string, o rerunOptions, started func(record.ID)) (*tasks.Service, *tasks.Report, error) {
	q, opts, err := cmd.prepare(ctx, ref, o, started)
	if err != nil {
		return nil, nil, err
	}
	rep, err := q.Rerun(ctx, ref, opts)
	return q, rep, notSet(cmd.withInput(err, o))
}

// prepare returns the use cases with which a task is run again, and their options.
func (cmd *rerunCommand) prepare(ctx context.Context, ref string, o rerunOptions, started func(record.ID)) (q *tasks.Service, opts tasks.RunOptions, err error) {
	if _, err := cmd.settings.homeDir(); err != nil {
		return nil, opts, err
	}
	if err := cmd.readFrom(o.stdin); err != nil {
		return nil, opts, err
	}
	if _, err := cmd.settings.runConfig(); err != nil {
		return nil, opts, err
	}
	q, err = cmd.home.tasks()
	if err != nil {
		return nil, opts, err
	}
	return q, tasks.RunOptions{Message: cmd.settings.message, Quiet: o.noOutput, Started: started, OwnInput: o.stdin != "", Declared: o.declared, Metrics: o.metrics, Set: o.set, Hash: o.hash, Trace: o.trace,
		Secret:  func(h tasks.Hidden) (string, error) { return cmd.secret(ctx, h, o) },
		Confirm: func(rec *record.Record, own bool) error { return cmd.confirmRerun(ctx, q, ref, rec, own, o) }}, nil
}

// withInput adds how to run a task again whose input has to be given.
func (cmd *rerunCommand) withInput(err error, o rerunOptions) error {
	var input *tasks.InputError
	if !errors.As(err, &input) {
		return err
	}
	id, file := string(input.ID), o
	if file.stdin = input.File; file.stdin != "" {
		return fmt.Errorf("%w; the file has not changed: %s", err, cmd.rerunLine(file, id))
	}
	file.stdin = "FILE"
	if len(o.check) > 0 { // which reads nothing else
		return fmt.Errorf("%w; give it again: %s", err, cmd.rerunLine(file, id))
	}
	return fmt.Errorf("%w; give it again: %s <FILE, or %s", err, cmd.rerunLine(o, id), cmd.rerunLine(file, id))
}

// rerunReporting is run for a parent process that waits until the command has begun.
func (cmd *rerunCommand) rerunReporting(ctx context.Context, ref string, o rerunOptions) error {
	to, err := live.NewReporter()
	if err != nil {
		return settingError(err)
	}
	report := func(r live.Report) {
		if err := to.Report(r); err != nil {
			cmd.term.warn("how the task began is not reported: %v", err)
		}
	}
	q, rep, err := cmd.run(ctx, ref, o, func(record.ID) { report(live.Report{Started: true}) })
	if err != nil {
		code, msg, hint := cmd.settings.explain(err)
		report(live.Report{Refused: code == exitConflict || code == exitNotRun, Detail: safe.Message(strings.TrimSpace(msg + "\n" + hint))})
		return err
	}
	if rep.Err != nil {
		report(live.Report{Detail: "NOT RECORDED: " + safe.Message(rep.Err.Error())})
	}
	return cmd.home.finishRun(q, rep)
}

// rerunOptions are the flags of rerun.
type rerunOptions struct {
	idFile string // see idFile
	yes    bool
	stdin  string // a file, "": none
	// declared are the files that are declared, in place of those of the task.
	declared provenance.Declared
	metrics  tasks.MetricOptions // likewise
	// set are parameters that get other values.
	set      record.Params
	hash     bool
	trace    bool
	noOutput bool // see noOutputFlag
	// check are the words of the command line that make it a check; none for a rerun.
	check []string
	// report makes rerun report the start of the run on a descriptor to the parent
	// process: see live.Reporter.
	report bool
}

// rerunLine returns the command line that runs a task again with these options.
func (cmd *rerunCommand) rerunLine(o rerunOptions, id string) string {
	words := append([]string{"rerun"}, o.check...)
	if o.yes {
		words = append(words, "--yes")
	}
	if o.stdin != "" {
		words = append(words, "--stdin", o.stdin)
	}
	if o.hash {
		words = append(words, "--hash")
	}
	if o.trace {
		words = append(words, "--trace")
	}
	if o.noOutput {
		words = append(words, "--no-output")
	}
	for _, s := range o.metrics.Specs {
		words = append(words, "--metric", s.String())
	}
	for _, name := range o.metrics.Files {
		words = append(words, "--metric-file", name)
	}
	for _, p := range o.set {
		words = append(words, "--"+setOption, p.Name+"="+p.Value)
	}
	for _, pattern := range o.declared.In {
		words = append(words, "--in", pattern)
	}
	for _, pattern := range o.declared.Out {
		words = append(words, "--out", pattern)
	}
	return cmd.term.line(append(words, id)...)
}

// confirmRerun names the command to run again if the user did not type its id. If the
// command was not given in this home, it names the owner and asks.
func (cmd *rerunCommand) confirmRerun(ctx context.Context, q *tasks.Service, ref string, rec *record.Record, own bool, o rerunOptions) error {
	if err := cmd.agree(ctx, ref, rec, own, o); err != nil {
		return err
	}
	return cmd.tellChanges(q, rec)
}

// agree is confirmRerun without what is different now.
func (cmd *rerunCommand) agree(ctx context.Context, ref string, rec *record.Record, own bool, o rerunOptions) error {
	if own {
		if cmd.term.besides() {
			taken(cmd.term, ref, rec)
		}
		return nil
	}
	f := foreignText(rec)
	if o.yes {
		cmd.term.beside("%s", f)
		return nil
	}
	cmd.term.say("%s", f)
	if !isTerminal(cmd.term.in) || !isTerminal(cmd.term.err) {
		o.yes = true
		return fmt.Errorf("task %s was not given in this home: %w (\"%s\" runs it again, as you and here)", rec.UID, record.ErrConflict, cmd.rerunLine(o, string(rec.UID)))
	}
	return cmd.term.ask(ctx, "Run it here, as you", codeError{exitConflict, errors.New("nothing was run")}, "")
}

// tellChanges prints what the command reads that is not as recorded: the script of its job, its
// input and its environment.
func (cmd *rerunCommand) tellChanges(q *tasks.Service, rec *record.Record) error {
	if path := q.ScriptChanged(rec); path != "" {
		cmd.term.beside("Its script, %s, is not as it was; \"%s\" prints that.", safe.Bounded(path), cmd.term.line("get", string(rec.UID)+"@"+strconv.Itoa(rec.Data.Run), "--part", "script"))
	}
	cmd.tellInput(q, rec)
	cfg, err := cmd.settings.config()
	if err != nil {
		return err
	}
	cmd.tellEnv(rec.Data.Env, cfg.List("run.env"), cmd.home.masks(cfg))
	return nil
}

// giverText names the owner of a command, in two lines.
func giverText(rec *record.Record) string {
	f := tasks.Foreign(rec)
	return fmt.Sprintf("This command was not given in this home. Its record says that it is by %s on %s, in %s:\n  %s", f.User, f.Host, f.Directory, f.Command)
}

// foreignText names the owner of a command, and the files whose hashes its rerun would record.
func foreignText(rec *record.Record) string {
	text := giverText(rec)
	if d := rec.Data.Declared; d != nil {
		text += "\nSizes and hashes of these files are recorded: " + safe.Bounded(executor.Quote(slices.Concat(d.In, d.Out)))
	}
	return text
}

// tellInput prints a note if the input of a task differs from the file or pipe that it
// read before, or is the one that was kept, and --stdin was not given.
func (cmd *rerunCommand) tellInput(q *tasks.Service, rec *record.Record) {
	was := rec.Data.Stdin
	if was == nil || cmd.home.input != nil {
		return
	}
	now := capture.Stdin(cmd.term.in)
	kept, isKept := q.KeptInput(rec, now.Kind)
	switch {
	case isKept:
		cmd.term.beside("It reads its input as it was: %s.", amount(kept))
	case was.Kind != "file" && was.Kind != "pipe" && was.Kind != "socket" && was.Kind != record.StdinPart:
	case was.Kind == now.Kind && (was.Kind != "file" || was.Path == now.Path && was.Size == now.Size):
	case was.Kind == now.Kind && was.Path == now.Path:
		cmd.term.beside("Its input, %s, had %d bytes and now has %d.", inputName(was), was.Size, now.Size)
	default:
		cmd.term.beside("Its input was %s; it now reads %s.", inputName(was), inputName(now))
	}
}

func amount(bytes int64) string {
	if bytes == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes that were kept", bytes)
}

// inputName describes the source of standard input for a message.
func inputName(in *record.Stdin) string {
	switch in.Kind {
	case "file":
		if in.Path != "" {
			return "the file " + safe.Bounded(in.Path)
		}
		return "a file"
	case "pipe", "socket", "terminal":
		return "a " + in.Kind
	case record.StdinPart:
		return "what was kept"
	case "null":
		return os.DevNull
	case "closed":
		return "nothing, as it is closed"
	}
	return "something else"
}

// readFrom opens a file as the standard input of the command; "" leaves the input as it
// is.
func (cmd *rerunCommand) readFrom(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return &usageError{msg: "--stdin: " + err.Error(), help: "qme rerun --help"}
	}
	cmd.home.input = f
	return nil
}
