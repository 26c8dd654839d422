package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/index/query"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type clearCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *clearCommand) command() *cli.Command {
	var force, dry bool
	var from queryFlags
	return &cli.Command{
		Name:      "clear",
		Usage:     "delete a task, the tasks of an executor, or all tasks",
		ArgsUsage: "[TASK|EXECUTOR]",
		Description: `Without an argument all tasks are deleted. They disappear from "qme ls" and
"qme get", and with the next sync from the other clones. Their runs stay in the git
history ("qme git log"), so no record is lost, and "qme restore" brings them back.

With --query the tasks that match a query are deleted, in the language of "qme search".
qme shows how many they are and the first ten, and asks. Without a terminal it needs
--yes. --dry-run shows the same, and deletes nothing.

Examples:
  qme clear 019aaf3c
  qme clear shell
  qme clear --query 'failed before:30d'
  qme clear --query failed --dry-run
  qme clear --force`,
		Flags: append(from.flags("delete the tasks that match the `QUERY`, as in \"qme search\""), []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f", "yes"}, Usage: "do not ask", Destination: &force},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be deleted, and delete nothing", Destination: &dry},
		}...),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			what, err := from.query(c, cmd.settings)
			if err != nil {
				return err
			}
			if what == nil {
				return cmd.run(ctx, c.Args().First(), force, dry)
			}
			if err := noTask(c); err != nil {
				return err
			}
			return cmd.runQuery(ctx, what, from, force, dry)
		},
	}
}

func (cmd *clearCommand) run(ctx context.Context, what string, force, dry bool) error {
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	ids, err := q.Select(what)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		cmd.term.note("There are no tasks.")
		return nil
	}
	subject, short := clearing(what, ids)
	if err := cmd.takenByClear(q, what, ids); err != nil {
		return err
	}
	if dry {
		cmd.term.note("Without --dry-run this deletes %s.", subject)
		return nil
	}
	if !force {
		if err := cmd.confirm(ctx, "This will delete "+subject+" (\"qme restore\" brings back what is deleted)"); err != nil {
			return err
		}
	}
	return cmd.clear(ctx, q, subject, short, ids)
}

// runQuery deletes the tasks that match a query.
func (cmd *clearCommand) runQuery(ctx context.Context, what *query.Query, from queryFlags, force, dry bool) error {
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	s, err := q.SelectMatching(what)
	if err != nil {
		return err
	}
	n := len(s.IDs)
	if n == 0 {
		cmd.term.noteNoMatch(q)
		return cmd.term.noteOthersIn(ctx, q, what, from, "clear")
	}
	subject := fmt.Sprintf("%d tasks that match %s", n, safe.Bounded(from.text))
	if n == 1 {
		subject = fmt.Sprintf("1 task that matches %s", safe.Bounded(from.text))
	}
	if !force || dry {
		if err := cmd.showFirst(s); err != nil {
			return err
		}
		if dry {
			cmd.term.note("Without --dry-run this deletes %s.", subject)
			return nil
		}
		if !isTerminal(cmd.term.in) {
			return &codeError{exitConflict, fmt.Errorf("nothing was deleted; without a terminal --yes deletes %s", subject)}
		}
		if err := cmd.confirm(ctx, "This will delete "+subject+" (\"qme restore\" brings back what is deleted)"); err != nil {
			return err
		}
	}
	return cmd.clear(ctx, q, subject, subject, s.IDs)
}

// showFirst shows the first tasks to be deleted as "qme ls" does, and how many more there are.
func (cmd *clearCommand) showFirst(s *tasks.Selection) error {
	w := newFlusher(cmd.term.err)
	t := cmd.term.newTable(w)
	t.width, t.color = widthOf(cmd.term.err), cmd.term.paletteOf(cmd.term.err)
	for _, item := range s.First {
		if err := t.row(item); err != nil {
			return err
		}
	}
	if more := len(s.IDs) - len(s.First); more > 0 {
		if _, err := fmt.Fprintf(w, "and %d more\n", more); err != nil {
			return err
		}
	}
	return w.Flush()
}

// clear deletes tasks and says how to get them back.
func (cmd *clearCommand) clear(ctx context.Context, q *tasks.Service, subject, short string, ids []record.ID) error {
	version, err := q.Clear(ctx, short, ids)
	if err != nil {
		return err
	}
	cmd.term.note("Deleted %s.", subject)
	cmd.term.note("To get back what was deleted: %s", cmd.term.line("restore", "--from", fmt.Sprintf("%.10s", version)))
	cmd.home.follow(q, tasks.AfterChange)
	return nil
}

// takenByClear prints the task to be deleted if the user did not name it by its id.
func (cmd *clearCommand) takenByClear(q *tasks.Service, what string, ids []record.ID) error {
	if len(ids) > 1 || what != "" && !strings.HasPrefix(what, "@") {
		return nil
	}
	v, err := q.Find(string(ids[0]))
	if errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrCorrupt) {
		cmd.term.note("Task %s cannot be read: %v", ids[0], err)
		return nil
	}
	if err != nil {
		return err
	}
	taken(cmd.term, "", v.Record)
	return nil
}

// clearing names the tasks to be deleted: subject for the question to the user, short for
// the commit.
func clearing(what string, ids []record.ID) (subject, short string) {
	id := string(ids[0])
	switch {
	case len(ids) == 1 && what == "":
		return "the only task, " + id, id
	case len(ids) == 1:
		return "task " + id, id
	case what == "":
		short = fmt.Sprintf("all %d tasks", len(ids))
	default:
		short = fmt.Sprintf("%d tasks of %s", len(ids), what)
	}
	return short, short
}

// confirm asks the user and returns nil only for a yes.
func (cmd *clearCommand) confirm(ctx context.Context, what string) error {
	return cmd.term.ask(ctx, what+", are you sure", codeError{exitFailure, errors.New("nothing was deleted")}, " (--force does not ask)")
}
