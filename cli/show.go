package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

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
	var command, children, files bool
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
  qme show --files @2
  eval "$(qme show --command @2)"`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "children", Usage: "list the runs that the command of the task gave, as \"qme search\" does", Destination: &children},
			&cli.BoolFlag{Name: "files", Usage: "list all files of the run, as trees", Destination: &files},
			&cli.BoolFlag{Name: "command", Usage: "print the command alone, as one line for a shell", Destination: &command},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			switch {
			case command && children || command && files || children && files:
				return &usageError{msg: "--command, --children and --files exclude each other", help: "qme show --help"}
			case files:
				return cmd.files(ctx, c.Args().First())
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

// line prints the command of a run, and on standard error the names of the secrets that are masked in it.
func (cmd *showCommand) line(ctx context.Context, ref string) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	line, err := pasteable(v.Record)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.term.out, line); err != nil {
		return err
	}
	if masked := tasks.MaskedIn(v.Record); len(masked) > 0 {
		cmd.term.note("The command has secrets that are masked in the record; put their values in place of %s. \"%s\" asks for them.",
			strings.Join(masked, ", "), cmd.term.line("rerun", string(v.Record.UID)))
	}
	return nil
}

// pasteable returns the command of a run as one line that bash runs in the same way in any locale,
// without any control character. The error wraps record.ErrConflict if there is no such line.
func pasteable(rec *record.Record) (string, error) {
	line := typed(rec)
	if err := tasks.Exact(rec.UID, append([]string{line}, rec.Data.Cmd...)...); err != nil {
		return "", err
	}
	if strings.Contains(line, "\x00") {
		return "", fmt.Errorf("the command of task %s has a NUL, which no line of a shell can have: %w; \"qme get\" has it", rec.UID, record.ErrConflict)
	}
	if safe.Line(line) == line {
		return line, nil
	}
	words := make([]string, len(rec.Data.Cmd))
	for i, word := range rec.Data.Cmd {
		if words[i] = executor.Quote([]string{word}); safe.Line(word) != word {
			words[i] = quoteBytes(word)
		}
	}
	return strings.Join(words, " "), nil
}

// quoteBytes quotes a word for bash, with what a terminal would obey, or nobody would see, as the
// octal numbers of its bytes: bash writes \u in the encoding of its locale.
func quoteBytes(word string) string {
	var out strings.Builder
	for _, r := range word {
		switch c := string(r); {
		case r == '\'' || r == '\\':
			out.WriteString(`\` + c)
		case safe.Line(c) == c:
			out.WriteString(c)
		default:
			for _, b := range []byte(c) {
				fmt.Fprintf(&out, `\%03o`, b)
			}
		}
	}
	return "$'" + out.String() + "'"
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
	why, err := q.WhyWaits(ctx, shown.Record)
	if err != nil {
		cmd.term.warn("why it waits is not known: %v", err)
	}
	terms, err := q.TermsOf(shown.Record)
	if err != nil {
		cmd.term.warn("how it waits is not known: %v", err)
	}
	return cmd.term.listing(false, func(w *bufio.Writer) error {
		p := cmd.term.newPage(w)
		p.why, p.terms = why, terms
		return p.write(shown, runs)
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
