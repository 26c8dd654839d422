package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

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
		Usage:     "delete tasks, the tasks of an executor, or all tasks",
		ArgsUsage: "[TASK…|EXECUTOR]",
		Description: `Without an argument all tasks are deleted. They disappear from "qme ls" and
"qme get", and with the next sync from the other clones. Their runs stay in the git
history ("qme git log"), so no record is lost, and "qme restore" brings them back.

Several tasks are deleted in one commit, or none of them if one cannot be: a task that
is not there, or is running.

With --query the tasks that match a query are deleted, in the language of "qme search".
qme shows how many they are and the first ten, and asks. Without a terminal it needs
--yes. --dry-run shows the same, and deletes nothing.

Examples:
  qme clear 019aaf3c
  qme clear @2 @5 baseline
  qme clear shell
  qme clear --query 'failed before:30d'
  qme clear --query failed --dry-run
  qme clear --force`,
		Flags: append(from.flags("delete the tasks that match the `QUERY`, as in \"qme search\""), []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f", "yes"}, Usage: "do not ask", Destination: &force},
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be deleted, and delete nothing", Destination: &dry},
		}...),
		Action: func(ctx context.Context, c *cli.Command) error {
			of, err := from.selection(c, cmd.settings)
			if err != nil {
				return err
			}
			return cmd.run(ctx, of, from, force, dry)
		},
	}
}

// A cleared is tasks that are to be cleared.
type cleared struct {
	*tasks.Selection
	subject string // for the question to the user
	short   string // for the commit
	shown   bool   // the first ones are shown before the question
}

func (cmd *clearCommand) run(ctx context.Context, of selection, from queryFlags, force, dry bool) error {
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	s, err := cmd.find(q, of)
	switch {
	case err != nil:
		return err
	case len(s.IDs) == 0 && of.what != nil:
		cmd.term.noteNoMatch(q)
		return cmd.term.noteOthersIn(ctx, q, of.what, from, "clear")
	case len(s.IDs) == 0:
		cmd.term.note("There are no tasks.")
		return nil
	}
	if s.shown && (!force || dry) {
		if err := cmd.showFirst(s.Selection); err != nil {
			return err
		}
	}
	if dry {
		cmd.term.note("Without --dry-run this deletes %s.", s.subject)
		return nil
	}
	if of.what != nil && !force && !isTerminal(cmd.term.in) {
		return &codeError{exitConflict, fmt.Errorf("nothing was deleted; without a terminal --yes deletes %s", s.subject)}
	}
	if !force {
		if err := cmd.confirm(ctx, "This will delete "+s.subject+" (\"qme restore\" brings back what is deleted)"); err != nil {
			return err
		}
	}
	return cmd.clear(ctx, q, s)
}

// find returns the tasks to be deleted. It prints the one that the user did not name by its id.
func (cmd *clearCommand) find(q *tasks.Service, of selection) (s cleared, err error) {
	var ids []record.ID
	switch {
	case of.what != nil:
		s.Selection, err = q.SelectMatching(of.what)
		if err != nil {
			return s, err
		}
		s.shown, s.subject = true, count(len(s.IDs), "task")+" that match "+safe.Bounded(of.text)
		if len(s.IDs) == 1 {
			s.subject = "1 task that matches " + safe.Bounded(of.text)
		}
		s.short = s.subject
		return s, nil
	case len(of.refs) > 1:
		if ids, err = q.SelectTasks(of.refs); err == nil {
			s.Selection, err = q.Selected(ids)
		}
		s.shown, s.subject = true, count(len(ids), "task")
		s.short = s.subject
		return s, err
	}
	what := strings.Join(of.refs, "")
	if ids, err = q.Select(what); err != nil {
		return s, err
	}
	s.Selection = &tasks.Selection{IDs: ids}
	if len(ids) > 0 {
		s.subject, s.short = clearing(what, ids)
	}
	return s, cmd.takenByClear(q, what, ids)
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
	if err := t.end(); err != nil {
		return err
	}
	if more := len(s.IDs) - len(s.First); more > 0 {
		if _, err := fmt.Fprintf(w, "and %d more\n", more); err != nil {
			return err
		}
	}
	return w.Flush()
}

// clear deletes tasks and says how to get them back.
func (cmd *clearCommand) clear(ctx context.Context, q *tasks.Service, s cleared) error {
	version, err := q.Clear(ctx, s.short, s.IDs)
	if err != nil {
		return err
	}
	cmd.term.note("Deleted %s.", s.subject)
	cmd.term.note("To get back what was deleted: %s", cmd.term.line("restore", "--from", fmt.Sprintf("%.10s", version)))
	cmd.home.follow(q, tasks.AfterChange)
	return nil
}

// takenByClear prints the task to be deleted if the user did not name it by its id.
func (cmd *clearCommand) takenByClear(q *tasks.Service, what string, ids []record.ID) error {
	if len(ids) != 1 || what != "" && !strings.HasPrefix(what, "@") {
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
