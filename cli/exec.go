package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type execCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *execCommand) command() *cli.Command {
	return &cli.Command{
		Name:            "exec",
		Usage:           "perform an action of a task's executor: show a job's state or output, cancel it, …",
		ArgsUsage:       "[TASK] ACTION [OPTION…] | EXECUTOR | TASK",
		SkipFlagParsing: true,
		Description: `TASK is as in "qme get"; the default is the task that you gave last. With only a
task or an executor, it lists the actions and their options, with --json as JSON.

Before an action changes the job of a task that this home has not started (the task
came with a pull), it asks for confirmation. Without a terminal it needs --yes.

Examples:
  qme exec status
  qme exec 019aaf3c output --follow
  qme exec @2 cancel
  qme exec slurm`,
		// Options belong to actions and are parsed by splitOptions; these flags are for
		// the help only.
		Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print the actions as JSON, one per line"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask about a job that this home has not started"}},
		Action: func(ctx context.Context, c *cli.Command) error {
			words, options, err := splitOptions(c.Args().Slice())
			if err != nil {
				return err
			}
			if len(words) == 0 && len(options) == 1 && (options[0].name == "help" || options[0].name == "h") || len(words)+len(options) == 0 {
				return cli.ShowSubcommandHelp(c)
			}
			return cmd.run(ctx, words, options)
		},
	}
}

// An execOption is an option as typed. Whether the word after it is its value is known
// only once the action is known.
type execOption struct {
	typed, name, value string
	hasValue           bool
	next               string // the word after it, "" at the end
	at                 int    // the number of words before it
}

// splitOptions separates words and options.
func splitOptions(args []string) (words []string, options []execOption, err error) {
	for i, arg := range args {
		switch {
		case arg == "":
			return nil, nil, &usageError{msg: "exec was given an empty argument", help: "qme exec --help"}
		case arg == "--":
			return append(words, args[i+1:]...), options, nil
		case len(arg) > 1 && arg[0] == '-':
			o := execOption{at: len(words)}
			o.typed, o.value, o.hasValue = strings.Cut(arg, "=")
			o.name = strings.TrimLeft(o.typed, "-")
			if i+1 < len(args) {
				o.next = args[i+1]
			}
			options = append(options, o)
		default:
			words = append(words, arg)
		}
	}
	return words, options, nil
}

// run resolves the task and the action and performs it. words may still contain the
// values of options.
func (cmd *execCommand) run(ctx context.Context, words []string, options []execOption) error {
	cfg, err := cmd.settings.config()
	if err != nil {
		return err
	}
	set := cmd.settings.executors(cfg)
	asJSON := len(options) == 1 && options[0].name == "json"
	if len(words) == 0 {
		return &usageError{msg: "exec does what?", help: "qme exec --help"}
	}
	if e, ok := set.Get(words[0]); ok && len(words) == 1 && (len(options) == 0 || asJSON) {
		return cmd.listActions(e, asJSON)
	}
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	v, ref, rest, err := taskOf(q, set, words)
	if err != nil {
		return err
	}
	e, ok := set.Get(v.Record.Executor)
	if !ok {
		return fmt.Errorf("task %s: there is no executor %q here: %w (a section [executor.%s] in config.toml, or a program qme-executor-%s, makes one)",
			v.Record.UID, v.Record.Executor, record.ErrNotFound, v.Record.Executor, v.Record.Executor)
	}
	if len(rest) == 0 && (len(options) == 0 || asJSON) {
		return cmd.listActions(e, asJSON)
	}
	if len(rest) == 0 {
		return &usageError{msg: fmt.Sprintf("exec does what with task %s?", v.Record.UID), help: "qme exec " + e.Name()}
	}
	act, err := executor.Find(e, rest[0])
	if err != nil {
		return &usageError{msg: said(err.Error()), help: "qme exec " + e.Name()}
	}
	agreed, options := takeYes(act, options)
	given, err := optionsOf(e, act, options, rest[1:])
	if err != nil {
		return err
	}
	if act.Alters {
		taken(cmd.term, ref, v.Record)
	}
	doing := tasks.Acting{Executor: e, Action: act, Options: given, Out: cmd.term.out, Err: notesTo{cmd.term},
		Confirm: func(f *tasks.ForeignError) error { return confirmAction(ctx, cmd.term, v.Record, f, agreed) }}
	return cmd.home.act(ctx, q, v, doing)
}

// taskOf returns the task that is meant, the word that names it, and the words after
// that. If the first word is an action of the last task, the last task is meant and ref
// is "".
func taskOf(q *tasks.Service, set *executor.Set, words []string) (v tasks.Version, ref string, rest []string, err error) {
	last, err := q.Find("")
	if err == nil {
		if e, ok := set.Get(last.Record.Executor); ok {
			if _, err := executor.Find(e, words[0]); err == nil {
				return last, "", words, nil
			}
		}
	}
	v, found := q.Find(words[0])
	// Checking for an action of another executor comes last, since it may start a
	// program.
	if found != nil && len(words) == 1 && isActionName(set, words[0]) {
		if err != nil {
			return tasks.Version{}, "", nil, err
		}
		return tasks.Version{}, "", nil, &usageError{msg: fmt.Sprintf("the last task, %s, has no action %q", last.Record.UID, words[0]), help: "qme exec " + last.Record.Executor}
	}
	if errors.Is(found, record.ErrNotFound) && len(words) == 1 && err == nil {
		found = fmt.Errorf("%w, nor has the last task, %s, such an action (\"qme exec %s\" lists those)", found, last.Record.UID, last.Record.Executor)
	}
	return v, words[0], words[1:], found
}

func isActionName(set *executor.Set, word string) bool {
	for _, e := range set.All() {
		if _, err := executor.Find(e, word); err == nil {
			return true
		}
	}
	return false
}

// optionsOf reads the options of an action. left are the words after the action, all of
// which must be values of options.
func optionsOf(e executor.Executor, act executor.Action, options []execOption, left []string) (map[string]string, error) {
	wrong := func(format string, args ...any) error {
		return &usageError{msg: fmt.Sprintf(format, args...), help: "qme exec " + e.Name()}
	}
	given := map[string]string{}
	for _, o := range options {
		known, ok := act.Takes(o.name)
		switch {
		case !ok:
			return nil, wrong("%s %s has no option %s", e.Name(), act.Name, o.typed)
		case known.Value == "" && o.hasValue:
			return nil, wrong("%s takes no value", o.typed)
		case known.Value == "":
			o.value = "true"
		case !o.hasValue && (len(left) == 0 || left[0] != o.next):
			return nil, wrong("%s needs a value: %s %s", o.typed, o.typed, known.Value)
		case !o.hasValue:
			o.value, left = left[0], left[1:]
		}
		given[known.Name] = o.value
	}
	if len(left) > 0 {
		return nil, wrong("%s %s takes no argument %q", e.Name(), act.Name, left[0])
	}
	return given, nil
}

// takeYes removes --yes from the options of an action that changes something, and reports
// whether it was there. If the action has an option of this name itself, it stays.
func takeYes(act executor.Action, options []execOption) (agreed bool, left []execOption) {
	_, its := act.Takes("yes")
	for _, o := range options {
		yes := act.Alters && o.typed == "--yes" && !o.hasValue
		agreed = agreed || yes
		if !yes || its {
			left = append(left, o)
		}
	}
	return agreed, left
}

// confirmAction prints the owner of a task that this home has not started and asks
// whether to perform the action. If agreed, it does not ask.
func confirmAction(ctx context.Context, term *terminal, rec *record.Record, f *tasks.ForeignError, agreed bool) error {
	whose := fmt.Sprintf("This home has not started this task. Its record says that it is by %s on %s, in %s:\n  %s", f.User, f.Host, f.Directory, f.Command)
	if agreed {
		term.note("%s", whose)
		return nil
	}
	term.say("%s", whose)
	if !isTerminal(term.in) || !isTerminal(term.err) {
		return fmt.Errorf("task %s: %s is not known to be of this home: %w (\"%s\" does it all the same)",
			rec.UID, f.Target, record.ErrConflict, term.line("exec", "--yes", string(rec.UID), f.Action))
	}
	return term.ask(ctx, fmt.Sprintf("Do %s with %s, as you", f.Action, f.Target), codeError{exitConflict, errors.New("nothing was done")}, "")
}

// notesTo prints the messages of an action like qme's own.
type notesTo struct{ term *terminal }

// Write implements io.Writer.
func (n notesTo) Write(b []byte) (int, error) {
	n.term.note("%s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func (cmd *execCommand) listActions(e executor.Executor, asJSON bool) error {
	if asJSON {
		return cmd.listActionsJSON(e)
	}
	w := tabwriter.NewWriter(cmd.term.out, 0, 8, 2, ' ', 0)
	for _, act := range e.Actions() {
		fmt.Fprintf(w, "%s\t%s\n", safe.Line(act.Name), safe.Line(act.Summary))
		for _, o := range act.Options {
			fmt.Fprintf(w, "  %s\t%s\n", safe.Line(strings.TrimSpace("--"+o.Name+" "+o.Value)), safe.Line(o.Usage))
		}
	}
	return w.Flush()
}

type optionJSON struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Usage string `json:"usage"`
}

func (cmd *execCommand) listActionsJSON(e executor.Executor) error {
	for _, act := range e.Actions() {
		options := []optionJSON{}
		for _, o := range act.Options {
			options = append(options, optionJSON(o))
		}
		b, err := json.Marshal(struct {
			Action  string       `json:"action"`
			Summary string       `json:"summary"`
			Alters  bool         `json:"alters"`
			Options []optionJSON `json:"options"`
		}{act.Name, act.Summary, act.Alters, options})
		if err != nil {
			return err
		}
		if _, err := cmd.term.out.Write(append(safe.JSON(b), '\n')); err != nil {
			return err
		}
	}
	return nil
}
