package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type lsCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *lsCommand) command() *cli.Command {
	var f tasks.Filter
	var asJSON, ids, failed, running, queued, active bool
	var status string
	var what queryFlags
	return &cli.Command{
		Name:      "ls",
		Aliases:   []string{"list"},
		Usage:     "list tasks, the latest run first",
		ArgsUsage: "[EXECUTOR|ID]",
		Description: `With an argument it lists the tasks of an executor, or those whose id begins with ID.
The task whose latest run began last comes first, and @1 is its name. --sort oldest is
the reverse; --sort created lists the newest task first, --sort duration the longest
run, and --sort memory the one that needed most. -n counts in that order. With --json it prints one record per line (JSON Lines), as
docs/format.md describes it.

Examples:
  qme ls
  qme ls shell --failed -n 20
  qme ls --active --sort duration
  qme ls --status failed,cancelled
  qme ls --host login1 --user alice
  qme ls --query 'output:nan after:2d' --failed
  qme ls --json | jq -r .command`,
		Flags: append(what.flags("only tasks that match the `QUERY`, as in \"qme search\""), []cli.Flag{
			&cli.BoolFlag{Name: "failed", Usage: "only tasks that ended by themselves with a return code other than 0", Destination: &failed},
			&cli.BoolFlag{Name: "running", Usage: "only running tasks, also those whose job is running", Destination: &running},
			&cli.BoolFlag{Name: "queued", Usage: "only tasks whose job waits for its start", Destination: &queued},
			&cli.BoolFlag{Name: "active", Usage: "only tasks that are running or queued", Destination: &active},
			&cli.StringFlag{Name: "status", OnlyOnce: true, Usage: "only tasks of one of the `STATES`, separated by commas: " + record.OutcomeWords, Destination: &status},
			&cli.StringFlag{Name: "host", Usage: "only tasks that ran on the machine `NAME`", Destination: &f.Host},
			&cli.StringFlag{Name: "user", Usage: "only tasks that the user `NAME` ran", Destination: &f.User},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` tasks", HideDefault: true, Destination: &f.Limit},
			&cli.StringFlag{Name: "sort", Usage: "`ORDER` is started, oldest (the first run first), created, duration or memory", Value: tasks.SortStarted, Destination: &f.Sort},
			&cli.BoolFlag{Name: "ids", Usage: "print only ids, one per line", Destination: &ids},
			&cli.BoolFlag{Name: "json", Usage: "print one record per line as JSON", Destination: &asJSON},
		}...),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			if f.Limit < 1 && c.IsSet("limit") {
				return &usageError{msg: fmt.Sprintf("-n takes a number from 1, not %d; without it all tasks are listed", f.Limit), help: "qme ls --help"}
			}
			if !slices.Contains(tasks.Sorts, f.Sort) {
				return &usageError{msg: fmt.Sprintf("--sort takes %s, not %q", strings.Join(tasks.Sorts, ", "), f.Sort), help: "qme ls --help"}
			}
			if ids && asJSON {
				return &usageError{msg: "--ids and --json exclude each other", help: "qme ls --help"}
			}
			var err error
			if f.Query, err = what.query(c, cmd.settings); err != nil {
				return err
			}
			f.Executor, f.Prefix, f.Outcomes = "", "", 0
			if c.IsSet("status") {
				var ok bool
				if f.Outcomes, ok = record.ParseOutcomes(status); !ok {
					return &usageError{msg: fmt.Sprintf("--status takes %s, not %q", record.OutcomeWords, status), help: "qme ls --help"}
				}
			}
			for set, wanted := range map[record.Outcomes]bool{record.FailedOnes: failed, record.RunningOnes: running, record.QueuedOnes: queued, record.ActiveOnes: active} {
				if wanted {
					f.Outcomes |= set
				}
			}
			return cmd.run(ctx, c.Args().First(), f, what, rowsOf(asJSON, ids))
		},
	}
}

// lsRows is what ls prints of a task.
type lsRows int

const (
	lsTable lsRows = iota // a row of the table
	lsJSON                // its record
	lsIDs                 // its id
)

func rowsOf(asJSON, ids bool) lsRows {
	switch {
	case asJSON:
		return lsJSON
	case ids:
		return lsIDs
	}
	return lsTable
}

func (cmd *lsCommand) run(ctx context.Context, of string, f tasks.Filter, what queryFlags, rows lsRows) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	if of != "" {
		err := restrict(q, of, &f)
		var wrong *usageError
		if errors.As(err, &wrong) && f.Query != nil {
			wrong.msg += "; a query is one argument: quote all of it"
		}
		if err != nil {
			return err
		}
	}
	n := 0
	err = cmd.term.listing(rows != lsTable, func(w *bufio.Writer) (err error) {
		n, err = cmd.list(q, f, rows, w)
		return err
	})
	if err == nil && n == 0 {
		if cmd.noteNone(q, f); f.Query != nil {
			return cmd.term.noteOthersIn(ctx, q, f.Query, what, "ls")
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
	switch {
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
	if named != (tasks.Filter{}) && (f.Outcomes == 0 && f.Query == nil || !hasTasks(q, named)) {
		cmd.term.note("There are no %s.%s", tasksOf(named), cmd.wayTo(f.Executor))
		return
	}
	switch {
	case f.Query != nil:
		cmd.term.noteNoMatch(q)
	case !isTerminal(cmd.term.err):
	case f.Outcomes == record.RunningOnes && hasTasks(q, tasks.Filter{Executor: f.Executor, Prefix: f.Prefix, Host: f.Host, User: f.User, Outcomes: record.QueuedOnes}):
		cmd.term.note("There are no %s, but queued ones: see \"qme ls --active\".", tasksOf(f))
	case f == tasks.Filter{Limit: f.Limit, Sort: f.Sort}:
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

// list prints the tasks and returns their number.
func (cmd *lsCommand) list(q *tasks.Service, f tasks.Filter, rows lsRows, w *bufio.Writer) (n int, err error) {
	f.Brief = rows != lsJSON
	t := cmd.term.newTable(w)
	listing := q.Listing(f)
	t.mixed = listing.Mixed
	var unreadable []error
	for item := range listing.Items {
		switch {
		case item.Err != nil && item.ID == "":
			return n, item.Err
		case item.Err != nil:
			unreadable = append(unreadable, item.Err)
			cmd.term.warn("%v", item.Err)
			continue
		}
		switch rows {
		case lsJSON:
			err = writeJSONLine(w, item.Record)
		case lsIDs:
			_, err = fmt.Fprintln(w, item.ID)
		default:
			err = t.row(item)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	if len(unreadable) > 0 {
		return n, &codeError{exitCorrupt, errors.New("some records cannot be read; \"qme check\" says more")}
	}
	return n, nil
}

func writeJSONLine(w *bufio.Writer, rec *record.Record) error {
	b, err := record.EncodeLine(rec)
	if err != nil {
		return err
	}
	_, err = w.Write(safe.JSON(b))
	return err
}
