package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/index/query"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type lsCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

// lsOptions are the flags of ls.
type lsOptions struct {
	f                               tasks.Filter
	json, ids, here                 bool
	failed, running, queued, active bool
	status, since, columns          string
	tags, chosen                    []string // chosen are the columns that were named, nil for none
	what                            queryFlags
	asked                           *query.Query // --query or --saved, nil for none
	noRoom                          []string     // what table.noRoom returned in the end
}

func (cmd *lsCommand) command() *cli.Command {
	o := new(lsOptions)
	return &cli.Command{
		Name:      "ls",
		Aliases:   []string{"list"},
		Usage:     "list tasks, the latest run first",
		ArgsUsage: "[EXECUTOR|ID]",
		Description: `With an argument it lists the tasks of an executor, or those whose id begins with ID.
The task whose latest run began last comes first, and @1 is its name. --sort oldest is
the reverse; --sort created lists the newest task first, --sort duration the longest
run, and --sort memory the one that needed most. -n counts in that order. With --json it
prints one record per line (JSON Lines), as docs/format.md describes it, with its notes.

On a terminal the columns have headings, and those without room or content are left out.
--columns names the columns, and the setting ls.columns those of a terminal:
` + columnHelp() + `
In a pipe --columns has tabs between them, and nothing is left out.

Examples:
  qme ls
  qme ls shell --failed -n 20
  qme ls --here --since yesterday
  qme ls --tag paper --columns id,name,message
  qme ls --active --sort duration
  qme ls --status failed,cancelled
  qme ls --host login1 --user alice
  qme ls --query 'output:nan after:2d' --failed
  qme ls --cleared
  qme ls --json | jq -r .command`,
		Flags: o.flags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			if err := cmd.read(c, o); err != nil {
				return err
			}
			return cmd.run(ctx, c.Args().First(), o)
		},
	}
}

// columnHelp lists the columns, a line for each.
func columnHelp() string {
	var lines []string
	for _, c := range columns() {
		lines = append(lines, fmt.Sprintf("  %-10s%s", c.name, c.usage))
	}
	return strings.Join(lines, "\n")
}

func (o *lsOptions) flags() []cli.Flag {
	return append(o.what.flags("only tasks that match the `QUERY`, as in \"qme search\""), []cli.Flag{
		&cli.BoolFlag{Name: "failed", Usage: "only tasks that ended by themselves with a return code other than 0", Destination: &o.failed},
		&cli.BoolFlag{Name: "running", Usage: "only running tasks, also those whose job is running", Destination: &o.running},
		&cli.BoolFlag{Name: "queued", Usage: "only tasks that wait in the queue, or whose job waits for its start", Destination: &o.queued},
		&cli.BoolFlag{Name: "active", Usage: "only tasks that are running or queued", Destination: &o.active},
		&cli.StringFlag{Name: "status", OnlyOnce: true, Usage: "only tasks of one of the `STATES`, separated by commas: " + record.OutcomeWords, Destination: &o.status},
		&cli.StringFlag{Name: "host", Usage: "only tasks that ran on the machine `NAME`", Destination: &o.f.Host},
		&cli.StringFlag{Name: "user", Usage: "only tasks that the user `NAME` ran", Destination: &o.f.User},
		&cli.BoolFlag{Name: "here", Usage: "only tasks that ran in this directory, or below it", Destination: &o.here},
		&cli.StringFlag{Name: "since", OnlyOnce: true, Usage: "only tasks that began at a `TIME` or later, such as 2026-11-01, yesterday, 2d or 3h", Destination: &o.since},
		&cli.StringSliceFlag{Name: "tag", Usage: "only tasks with this `TAG`; given twice, with both", Destination: &o.tags},
		&cli.BoolFlag{Name: "cleared", Usage: "only tasks that were cleared, with when and by whom", Destination: &o.f.Cleared},
		&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` tasks", HideDefault: true, Destination: &o.f.Limit},
		&cli.StringFlag{Name: "sort", Usage: "`ORDER` is started, oldest (the first run first), created, duration or memory", Value: tasks.SortStarted, Destination: &o.f.Sort},
		&cli.StringFlag{Name: "columns", OnlyOnce: true, Usage: "show these `COLUMNS`, separated by commas", Destination: &o.columns},
		&cli.BoolFlag{Name: "ids", Usage: "print only ids, one per line", Destination: &o.ids},
		&cli.BoolFlag{Name: "json", Usage: "print one record per line as JSON", Destination: &o.json},
	}...)
}

// read checks the options, and completes the filter.
func (cmd *lsCommand) read(c *cli.Command, o *lsOptions) (err error) {
	usage := func(format string, args ...any) error {
		return &usageError{msg: fmt.Sprintf(format, args...), help: "qme ls --help"}
	}
	f := &o.f
	switch {
	case f.Limit < 1 && c.IsSet("limit"):
		return usage("-n takes a number from 1, not %d; without it all tasks are listed", f.Limit)
	case !slices.Contains(tasks.Sorts, f.Sort):
		return usage("--sort takes %s, not %q", strings.Join(tasks.Sorts, ", "), f.Sort)
	case o.ids && o.json:
		return usage("--ids and --json exclude each other")
	case c.IsSet("columns") && (o.ids || o.json):
		return usage("--columns goes with neither --ids nor --json")
	}
	f.Executor, f.Prefix, f.Outcomes = "", "", 0
	if c.IsSet("status") {
		var ok bool
		if f.Outcomes, ok = record.ParseOutcomes(o.status); !ok {
			return usage("--status takes %s, not %q", record.OutcomeWords, o.status)
		}
	}
	for set, wanted := range map[record.Outcomes]bool{record.FailedOnes: o.failed, record.RunningOnes: o.running, record.QueuedOnes: o.queued, record.ActiveOnes: o.active} {
		if wanted {
			f.Outcomes |= set
		}
	}
	if o.chosen = nil; c.IsSet("columns") {
		if o.chosen, err = columnNames(o.columns); err != nil {
			return err
		}
	}
	if o.asked, err = o.what.query(c, cmd.settings); err != nil {
		return err
	}
	return o.conditions(c)
}

// conditions sets the time of the filter, and its query, which has --here and --tag as conditions, so that
// the index finds what they ask for.
func (o *lsOptions) conditions(c *cli.Command) error {
	var list []*query.Query
	if o.asked != nil {
		list = append(list, o.asked)
	}
	if o.here {
		dirs, err := hereDirs()
		if err != nil {
			return err
		}
		list = append(list, query.Below(dirs...))
	}
	if o.f.Since = (time.Time{}); c.IsSet("since") {
		var err error
		if o.f.Since, err = query.Time(o.since, queryOptions(false)); err != nil {
			return &usageError{msg: "--since " + err.Error(), help: "qme ls --help"}
		}
	}
	for _, tag := range o.tags {
		if err := record.CheckTag(tag); err != nil {
			return &usageError{msg: "--tag: " + err.Error(), help: "qme ls --help"}
		}
		list = append(list, query.Tagged(tag))
	}
	if o.f.Query = nil; len(list) > 0 {
		o.f.Query = query.All(list...)
	}
	return nil
}

// hereDirs returns the current directory, as the shell has it and without symbolic links.
func hereDirs() ([]string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("--here: the current directory is not known: %w", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || real == dir {
		return []string{dir}, nil
	}
	return []string{dir, real}, nil
}

// newTable returns the table of a listing.
func (cmd *lsCommand) newTable(q *tasks.Service, o *lsOptions, w *bufio.Writer) (*table, error) {
	t := cmd.term.newTable(w)
	t.chosen = o.chosen != nil
	t.tabs = t.chosen || o.f.Cleared
	names := o.chosen
	switch {
	case t.chosen:
	case o.f.Cleared:
		names = clearedColumns
	case t.width > 0: // scripts see the same in each home
		cfg, err := cmd.settings.config()
		if err != nil {
			return nil, err
		}
		names = cfg.List("ls.columns")
	}
	if len(names) == 0 {
		names = config.DefaultColumns
	}
	t.columns = namedColumns(names)
	who := map[string]string{}
	t.cleared = func(one record.Clearing) string {
		if _, known := who[one.Commit]; !known {
			var err error
			if who[one.Commit], err = q.WhoCleared(one); err != nil {
				cmd.term.warn("%v", err)
			}
		}
		return who[one.Commit]
	}
	return t, nil
}

func (cmd *lsCommand) run(ctx context.Context, of string, o *lsOptions) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	if of != "" {
		err := restrict(q, of, &o.f)
		var wrong *usageError
		if errors.As(err, &wrong) && o.asked != nil {
			wrong.msg += "; a query is one argument: quote all of it"
		}
		if err != nil {
			return err
		}
	}
	n, first := 0, ""
	err = cmd.term.listing(o.json || o.ids, func(w *bufio.Writer) (err error) {
		n, first, err = cmd.list(q, o, w)
		return err
	})
	if len(o.noRoom) > 0 {
		cmd.term.note("This terminal has no room for %s.", strings.Join(o.noRoom, ", "))
	}
	switch {
	case err != nil:
	case n == 0:
		if cmd.noteNone(q, o.f); o.asked != nil && !o.f.Cleared {
			return cmd.term.noteOthersIn(ctx, q, o.asked, o.what, "ls")
		}
	case o.f.Cleared && !o.json && !o.ids:
		cmd.term.note("To bring back %s: %s", first, cmd.term.line("restore", first))
		if n > 1 {
			cmd.term.note("To bring back what the last clear has removed: %s", cmd.term.line("restore", "--last"))
		}
	}
	return err
}

// restrict limits a filter to the tasks of an executor or, if there are none, to the
// tasks with an id that begins with of.
func restrict(q *tasks.Service, of string, f *tasks.Filter) error {
	notName := record.CheckExecutor(of)
	if notName == nil {
		f.Executor = of
	}
	rg, err := q.Fitting(of)
	var cleared *tasks.ClearedError
	switch {
	case errors.As(err, &cleared):
		return err
	case errors.Is(err, record.ErrNotFound) && notName == nil:
		return nil
	case errors.Is(err, record.ErrNotFound), errors.Is(err, tasks.ErrReference):
		return &usageError{msg: fmt.Sprintf("no id begins with %q, nor can it name an executor; of one task, \"qme log TASK\" lists the runs and \"qme get TASK\" shows the record", of), help: "qme ls --help"}
	case err != nil:
		return err
	}
	f.Executor, f.Prefix = rg.Executor, rg.Prefix
	return nil
}

// statusWays are commands that list tasks by a status that may be mistaken for the name
// of an executor.
var statusWays = map[string]string{
	"failed": "qme ls --failed", "running": "qme ls --running", "queued": "qme ls --queued", "active": "qme ls --active", "cancelled": "qme ls --status cancelled",
	"succeeded": "qme ls --status ok", "ok": "qme ls --status ok", "complete": "qme ls --status complete", "unknown": "qme ls --status unknown",
}

// noteNone says why a listing is empty. A name that matches no task is probably a
// mistake; that no task failed is no news for a script.
func (cmd *lsCommand) noteNone(q *tasks.Service, f tasks.Filter) {
	named := tasks.Filter{Executor: f.Executor, Prefix: f.Prefix, Host: f.Host, User: f.User}
	if named != (tasks.Filter{}) && (f.Outcomes == 0 && f.Query == nil && f.Since.IsZero() || !hasTasks(q, named)) {
		cmd.term.note("There are no %s.%s", tasksOf(named), cmd.wayTo(f.Executor))
		return
	}
	switch {
	case f.Cleared && f == tasks.Filter{Limit: f.Limit, Sort: f.Sort, Cleared: true, Brief: f.Brief}:
		cmd.term.note("No task was cleared.")
	case f.Cleared:
		cmd.term.note("No task that was cleared matches.")
	case f.Query != nil || !f.Since.IsZero():
		cmd.term.noteNoMatch(q)
	case !isTerminal(cmd.term.err):
	case f.Outcomes == record.RunningOnes && hasTasks(q, tasks.Filter{Executor: f.Executor, Prefix: f.Prefix, Host: f.Host, User: f.User, Outcomes: record.QueuedOnes}):
		cmd.term.note("There are no %s, but queued ones: see \"qme ls --active\".", tasksOf(f))
	case f == tasks.Filter{Limit: f.Limit, Sort: f.Sort, Brief: f.Brief}:
		cmd.term.noteEmpty()
	default:
		cmd.term.note("There are no %s.", tasksOf(f))
	}
}

// wayTo returns a sentence with the command that the user probably wanted, where the name of an
// executor is unknown; "" for a known one.
func (cmd *lsCommand) wayTo(name string) string {
	cfg, err := cmd.settings.config()
	if name == "" || err != nil { // of the settings has been said before
		return ""
	}
	if way := statusWays[name]; way != "" {
		return fmt.Sprintf(" %q lists those that are %s.", way, name)
	}
	if _, ok := cmd.settings.executors(cfg).Get(name); ok {
		return ""
	}
	return fmt.Sprintf(" %q finds tasks by their text.", cmd.term.line("search", name))
}

// noteEmpty says that a home has no tasks.
func (t *terminal) noteEmpty() {
	t.note("%s", t.here("There are no tasks yet; \"qme run CMD\" records one."))
}

// noteNoMatch says that no task matches a query.
func (t *terminal) noteNoMatch(q *tasks.Service) {
	if t.quiet {
		return
	}
	if !hasTasks(q, tasks.Filter{}) {
		t.noteEmpty()
		return
	}
	t.note("No task matches.")
}

// tasksOf describes the tasks of a listing.
func tasksOf(f tasks.Filter) string {
	text := "tasks"
	if f.Outcomes != 0 {
		text = f.Outcomes.String() + " " + text
	}
	for _, of := range []struct{ how, name string }{{"of executor", f.Executor}, {"with ids that begin with", f.Prefix}, {"on host", f.Host}, {"by user", f.User}} {
		if of.name != "" {
			text += " " + of.how + " " + of.name
		}
	}
	return text
}

func hasTasks(q *tasks.Service, f tasks.Filter) bool {
	f.Limit, f.Brief, f.Sort = 1, true, tasks.SortCreated
	for range q.List(f) {
		return true
	}
	return false
}

// list prints the tasks, and returns their number and the short name of the first one.
func (cmd *lsCommand) list(q *tasks.Service, o *lsOptions, w *bufio.Writer) (n int, first string, err error) {
	t, err := cmd.newTable(q, o, w)
	if err != nil {
		return 0, "", err
	}
	o.f.Brief = !o.json && (o.ids || !slices.ContainsFunc(t.columns, func(c column) bool { return c.whole }))
	var unreadable []error
	for item := range q.List(o.f) {
		switch {
		case item.Err != nil && item.ID == "":
			return n, first, errors.Join(t.end(), item.Err)
		case item.Err != nil:
			unreadable = append(unreadable, item.Err)
			cmd.term.warn("%v", item.Err)
			continue
		case o.json:
			err = writeTaskJSON(w, item.Record, item.Cleared, nil)
		case o.ids:
			_, err = fmt.Fprintln(w, item.ID)
		default:
			err = t.row(item)
		}
		if err != nil {
			return n, first, err
		}
		if n++; n == 1 {
			first = item.Short
		}
	}
	if err := t.end(); err != nil {
		return n, first, err
	}
	o.noRoom = t.noRoom()
	if len(unreadable) > 0 {
		return n, first, &codeError{exitCorrupt, errors.New("some records cannot be read; \"qme check\" says more")}
	}
	return n, first, nil
}

func writeJSONLine(w *bufio.Writer, rec *record.Record) error {
	b, err := record.EncodeLine(rec)
	if err != nil {
		return err
	}
	_, err = w.Write(safe.JSON(b))
	return err
}
