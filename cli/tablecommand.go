package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/index/query"
	"qme/internal/near"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// A tableCommand compares tasks by their parameters and metrics.
type tableCommand struct {
	term *terminal
	home *home
}

// lastGroup is the name for the group of the newest task that has one.
const lastGroup = "last"

// tableOptions are the flags of table.
type tableOptions struct {
	group                 string
	metrics               tasks.MetricOptions
	over, sort, columns   []string
	csv, json, markdown   bool
	plot                  []string // the columns that are drawn
	svg                   bool
	plotText              string
	limit                 int
	implied               bool // the group was not named
	sortText, columnsText string
}

func (cmd *tableCommand) command() *cli.Command {
	o := new(tableOptions)
	return &cli.Command{
		Name:      "table",
		Usage:     "compare tasks by their parameters and metrics",
		ArgsUsage: "[QUERY…]",
		Description: `Each row is a task, by its latest run: the parameters in which the tasks differ, the
metrics that were found, and how long it took. Without a QUERY, which is one of "qme
search", it has the tasks of the last group, such as a sweep.

Parameters are those that were recorded, or else the options of the command (--lr 0.1,
lr=0.1). Metrics are those that were asked for, were recorded, or make up whole lines of
the output, such as "acc: 0.91" or "epoch 3 loss=0.4": see docs/metrics.md.

--sort names columns, - for the greatest first; the best value of the first metric among
them is marked. --over seed makes one row of those that differ only in the seed: how many
have ended well, mean ± sample standard deviation.

--plot acc,lr draws points in place of the table: acc upwards, lr to the right, where the
axis is logarithmic if the greatest value is a hundred times the least. --plot acc draws
it against the step at which it was, or the number of the row. With --svg it is a picture.

Examples:
  qme table
  qme table --group lr-scan --sort -acc
  qme table --metric 'val=val_acc=([0-9.]+) max' --sort -val -n 10
  qme table --over seed --sort -acc --markdown
  qme table command:train.py after:7d --csv >runs.csv
  qme table --plot acc,lr
  qme table --plot acc,lr --svg >acc.svg
  qme table --metric-file result.json --columns lr,acc,duration`,
		// A comma may be part of an expression.
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "group", OnlyOnce: true, Usage: "only the tasks of the group `NAME`, or of the last one (last)", Destination: &o.group},
			&cli.StringSliceFlag{Name: "metric", Usage: "have the metric `NAME`, or NAME=REGEX, of the output, with last, first, min, max or mean after a blank; may be repeated"},
			&cli.StringSliceFlag{Name: "metric-file", Usage: "have the numbers in `FILE` of the directory of each run, if it is as the run has left it; may be repeated", TakesFile: true},
			&cli.StringSliceFlag{Name: "over", Usage: "sum up rows that differ only in the parameter `NAME`; may be repeated, or have several with commas between them"},
			&cli.StringFlag{Name: "sort", OnlyOnce: true, Usage: "sort by `COLUMN`, or by several with commas between them; with - before it the greatest is first", Destination: &o.sortText},
			&cli.StringFlag{Name: "columns", OnlyOnce: true, Usage: "show only `COLUMNS`, separated by commas: id, outcome, duration, parameters and metrics, " + strings.Join(gridLabels[:len(gridLabels)-1], ", ") + " and " + gridLabels[len(gridLabels)-1], Destination: &o.columnsText},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` rows", HideDefault: true, Destination: &o.limit},
			&cli.StringFlag{Name: "plot", OnlyOnce: true, Usage: "draw `COLUMNS`: what is up and, after a comma, what is across", Destination: &o.plotText},
			&cli.BoolFlag{Name: "svg", Usage: "with --plot: print a picture as SVG", Destination: &o.svg},
			&cli.BoolFlag{Name: "csv", Usage: "print as CSV (RFC 4180), with full ids, and all parameters and metrics", Destination: &o.csv},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object", Destination: &o.json},
			&cli.BoolFlag{Name: "markdown", Usage: "print as a table in Markdown", Destination: &o.markdown},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := o.read(c); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			err := cmd.run(ctx, strings.Join(c.Args().Slice(), " "), *o)
			if errors.Is(err, context.Canceled) {
				return &codeError{exitInterrupted, errors.New("interrupted")}
			}
			return err
		},
	}
}

func tableUsage(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), help: "qme table --help"}
}

// read reads the options.
func (o *tableOptions) read(c *cli.Command) (err error) {
	formats := 0
	for _, on := range []bool{o.csv, o.json, o.markdown} {
		if on {
			formats++
		}
	}
	switch {
	case formats > 1:
		return tableUsage("--csv, --json and --markdown exclude each other")
	case c.IsSet("limit") && o.limit < 1:
		return tableUsage("-n takes a number from 1, not %d; without it all rows are shown", o.limit)
	case c.IsSet("group") && o.group != lastGroup && record.CheckGroupName(o.group) != nil:
		return tableUsage("%s", said(record.CheckGroupName(o.group).Error()))
	}
	if o.metrics, err = readMetrics(c); err != nil {
		return err
	}
	o.over = split(strings.Join(c.StringSlice("over"), ","))
	o.sort, o.columns = split(o.sortText), split(o.columnsText)
	return o.readPlot(c.IsSet("plot"), formats)
}

// split returns the elements of a list with commas between them, without those that are empty.
func split(text string) (list []string) {
	for _, one := range strings.Split(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// chosen returns the query for the tasks of the table, with its text, and sets their group.
func (cmd *tableCommand) chosen(ctx context.Context, q *tasks.Service, text string, o *tableOptions) (what *query.Query, whole string, err error) {
	if o.implied = text == "" && o.group == ""; o.implied || o.group == lastGroup {
		name, err := q.LastGroup(ctx)
		switch {
		case errors.Is(err, record.ErrNotFound) && o.implied:
			return nil, "", &codeError{exitNotFound, fmt.Errorf("no task belongs to a group, as those of a sweep do; name tasks by a query, as in %s", cmd.term.line("table", "command:train.py"))}
		case errors.Is(err, record.ErrNotFound):
			return nil, "", &codeError{exitNotFound, errors.New("no task belongs to a group, as those of a sweep do")}
		case err != nil:
			return nil, "", err
		}
		o.group = name
	}
	if o.group != "" && text != "" {
		if _, err := parseQuery(text, false); err != nil { // a mistake is shown as it was typed
			return nil, "", err
		}
		text = "(" + text + ") "
	}
	if o.group != "" {
		text += "group:" + o.group
	}
	what, err = parseQuery(text, false)
	return what, text, err
}

func (cmd *tableCommand) run(ctx context.Context, text string, o tableOptions) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	what, whole, err := cmd.chosen(ctx, q, text, &o)
	if err != nil {
		return err
	}
	t, err := q.Table(ctx, tasks.TableOptions{Query: what, Group: o.group, Metrics: o.metrics.Specs, Files: o.metrics.Files})
	if err != nil {
		return err
	}
	for _, err := range t.Unreadable {
		cmd.term.warn("%v", err)
	}
	switch {
	case len(t.Rows) == 0 && o.group != "" && text == "":
		return noGroup(ctx, q, o.group)
	case len(t.Rows) == 0:
		cmd.term.noteNoMatch(q)
		if err := cmd.term.noteOthersOf(ctx, question{hist: q, q: what, text: whole, asks: []string{"table"}}); err != nil {
			return err
		}
	default:
		if err := cmd.print(t, o); err != nil {
			return err
		}
		cmd.notes(t)
	}
	if len(t.Unreadable) > 0 {
		return errMayBeMissing()
	}
	return nil
}

// mostGroups is how many groups are named in place of one that there is not.
const mostGroups = 5

// noGroup returns the error for a group that no task has: it names the one that was probably meant, or else the newest ones.
func noGroup(ctx context.Context, q *tasks.Service, name string) error {
	names, err := q.Groups(ctx)
	if err != nil {
		return err
	}
	msg := "no task belongs to the group " + safe.Bounded(name)
	switch meant := nearest(name, names); {
	case meant != "":
		msg += fmt.Sprintf("; did you mean %s?", safe.Bounded(meant))
	case len(names) > 0:
		msg += "; the newest ones are " + safe.Line(strings.Join(names[:min(len(names), mostGroups)], ", "))
	}
	return &codeError{exitNotFound, errors.New(msg)}
}

func (cmd *tableCommand) print(t *tasks.Table, o tableOptions) error {
	if err := knownParams(t, o.over); err != nil {
		return err
	}
	g := newGrid(t, o)
	if err := g.sort(o.sort); err != nil {
		return err
	}
	if len(o.plot) == 0 {
		if err := g.choose(o.columns); err != nil {
			return err
		}
	}
	takes, err := cmd.takes(g, o)
	if err != nil {
		return err
	}
	all := len(g.rows)
	if o.limit > 0 && all > o.limit {
		g.rows = g.rows[:o.limit]
	}
	if o.implied {
		cmd.term.note("Group %s.", o.group)
	}
	if err := cmd.printGrid(g, o); err != nil {
		return err
	}
	if len(g.rows) < all {
		cmd.term.note("%d of %s.", len(g.rows), count(all, "row"))
	}
	for _, text := range takes {
		cmd.term.note("%s", text)
	}
	return nil
}

// takes says which of the metrics that are shown were taken in different ways.
func (cmd *tableCommand) takes(g *grid, o tableOptions) ([]string, error) {
	var places []int
	for i := range g.columns {
		places = append(places, i)
	}
	if len(o.plot) > 0 {
		places = nil
		for _, name := range o.plot {
			i, err := g.find(name)
			if err != nil {
				return nil, err
			}
			places = append(places, i)
		}
	}
	return g.takes(places, o.metrics.Specs), nil
}

func (cmd *tableCommand) printGrid(g *grid, o tableOptions) error {
	if len(o.plot) > 0 {
		return cmd.printPlot(g, o)
	}
	return cmd.term.listing(o.csv || o.json || o.markdown, func(w *bufio.Writer) error {
		switch {
		case o.json:
			return g.writeJSON(w, o.group)
		case o.csv:
			return g.writeCSV(w)
		case o.markdown:
			return g.writeMarkdown(w)
		}
		noRoom, err := g.writeText(w, cmd.term.width(), cmd.term.palette())
		if len(noRoom) > 0 {
			cmd.term.note("There is no room for %s; --columns chooses others, and --csv has all.", safe.Line(strings.Join(noRoom, ", ")))
		}
		return err
	})
}

// knownParams returns an error if no task has one of some parameters.
func knownParams(t *tasks.Table, names []string) error {
	known := paramNames(t)
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		return noColumn("parameter", name, known)
	}
	return nil
}

// noColumn returns the error for a name that no column has.
func noColumn(kind, name string, known []string) error {
	msg := fmt.Sprintf("no task has the %s %s", kind, safe.Bounded(name))
	switch meant := near.Best(name, known); {
	case meant != "":
		msg += fmt.Sprintf("; did you mean %s?", meant)
	case len(known) > 0:
		msg += "; there are " + safe.Bounded(strings.Join(known, ", "))
	}
	return &usageError{msg: msg, help: "qme table --help"}
}

// mostShared is how many files are named that several tasks have written.
const mostShared = 3

// notes says what the table does not show.
func (cmd *tableCommand) notes(t *tasks.Table) {
	if n := t.FilesUnknown; n > 0 {
		cmd.term.note("Of %s it is not known what was in the files of --metric-file: they are not as the run has left them, or were not recorded. \"qme run --metric-file FILE\" records what is in one, and --out FILE its hash.", count(n, "run"))
	}
	if n := t.OutputUnknown; n > 0 {
		cmd.term.note("Of %s the output is too long to look at all of it in time; \"qme run --metric\" records metrics.", count(n, "run"))
	}
	var files []string
	for _, f := range t.Shared[:min(len(t.Shared), mostShared)] {
		files = append(files, fmt.Sprintf("%s (%d tasks)", safe.Bounded(f.Path), f.Tasks))
	}
	if more := len(t.Shared) - len(files); more > 0 {
		files = append(files, fmt.Sprintf("and %d more", more))
	}
	if len(files) > 0 {
		cmd.term.note("Several of these tasks have written to one file, and only what the last of them wrote is there: %s.", strings.Join(files, ", "))
	}
}
