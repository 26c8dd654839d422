package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"qme/internal/lazy"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type restoreCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *restoreCommand) command() *cli.Command {
	var last, dry bool
	var commit string
	var from queryFlags
	return &cli.Command{
		Name:      "restore",
		Usage:     "bring back tasks that were cleared",
		ArgsUsage: "[TASK…]",
		Description: `TASK is the id of a task that "qme clear" has removed, the beginning of one, or the name
that it was given in this home; "qme ls --cleared" lists such tasks. Several come back in
one commit. With --last all tasks come back that were removed by the last "clear", here
or in another clone. They come back with all their runs, their output and their notes,
also in the other clones with the next sync. --from takes the commit that removed them,
as in "qme git log --grep ^clear".

Examples:
  qme restore --last
  qme restore 019aaf3c
  qme restore --query 'command:fit' --dry-run`,
		Flags: append(from.flags("bring back the cleared tasks that match the `QUERY`, as in \"qme search --cleared\""), []cli.Flag{
			&cli.BoolFlag{Name: "last", Usage: "bring back what the last \"clear\" has removed", Destination: &last},
			&cli.StringFlag{Name: "from", OnlyOnce: true, Usage: "bring back what the `COMMIT` has removed", Destination: &commit},
			&cli.BoolFlag{Name: "dry-run", Usage: "list the ids of the tasks that would come back, and change nothing", Destination: &dry},
		}...),
		Action: func(ctx context.Context, c *cli.Command) error {
			of, err := from.selection(c, cmd.settings)
			if err != nil {
				return err
			}
			ways := 0
			for _, given := range []bool{len(of.refs) > 0, last, of.what != nil, c.IsSet("from")} {
				if given {
					ways++
				}
			}
			if ways != 1 {
				return &usageError{msg: "restore takes tasks, --last, --from, or --query", help: "qme restore --help"}
			}
			if c.IsSet("from") && !commitName().MatchString(commit) {
				return &usageError{msg: fmt.Sprintf("--from takes a commit, such as 0a1b2c3d, not %q", commit), help: "qme restore --help"}
			}
			return cmd.run(ctx, of, commit, dry)
		},
	}
}

// commitName matches the name of a commit, or the beginning of one.
var commitName = lazy.Regexp(`^[0-9a-f]{7,40}$`)

// run brings back the selected tasks, without any those that a commit has removed, "" for the last one
// that has removed some.
func (cmd *restoreCommand) run(ctx context.Context, of selection, commit string, dry bool) error {
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	list, subject, err := cmd.find(ctx, q, of, commit)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("no task was cleared that this would bring back: %w", record.ErrNotFound)
	}
	if dry {
		for _, one := range list {
			if _, err := fmt.Fprintln(cmd.term.out, one.ID); err != nil {
				return err
			}
		}
		cmd.term.note("Without --dry-run this brings back %s.", subject)
		return nil
	}
	if err := q.Restore(ctx, subject, list); err != nil {
		return err
	}
	cmd.term.note("Brought back %s.", subject)
	cmd.home.follow(q, tasks.AfterChange)
	return nil
}

// find returns the tasks to bring back, and names them.
func (cmd *restoreCommand) find(ctx context.Context, q *tasks.Service, of selection, commit string) (list []record.Clearing, subject string, err error) {
	switch {
	case len(of.refs) > 0:
		list, err = q.ClearedOf(ctx, of.refs)
	case of.what != nil:
		list, err = q.ClearedTasks(ctx, of.what)
		subject = " that match " + safe.Bounded(of.text)
	default:
		list, err = q.ClearedBy(ctx, commit)
	}
	if len(list) == 1 {
		return list, "task " + string(list[0].ID), err
	}
	return list, count(len(list), "task") + subject, err
}
