package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"qme/record"
	"qme/tasks"
)

type nameCommand struct {
	term *terminal
	home *home
}

func (cmd *nameCommand) command() *cli.Command {
	var move, remove bool
	return &cli.Command{
		Name:      "name",
		Usage:     "give a task a name, or show it",
		ArgsUsage: "TASK [NAME]",
		Description: `Other commands then take NAME in place of the id. A name has up to 60 small letters,
digits, and the characters . _ -, begins with a letter, and cannot be taken for an id.
It belongs to the task, and is shared by push and pull; a name that was given in another
home serves for commands that change nothing.

Examples:
  qme name @1 baseline
  qme show baseline
  qme diff baseline @1
  qme name @3 baseline --move
  qme name baseline --remove`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "move", Usage: "take the name from the task that has it", Destination: &move},
			&cli.BoolFlag{Name: "remove", Usage: "remove the name of the task", Destination: &remove},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 2); err != nil {
				return err
			}
			ref, name := c.Args().Get(0), c.Args().Get(1)
			switch {
			case ref == "" || remove && (name != "" || move):
				return &usageError{msg: "name takes a task and a name, or a task and --remove", help: "qme name --help"}
			case name == "" && !remove:
				return cmd.show(ctx, ref)
			}
			return cmd.set(ctx, ref, name, move)
		},
	}
}

// show prints the name of a task.
func (cmd *nameCommand) show(ctx context.Context, ref string) error {
	_, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	name := v.Record.Notes.Named()
	if name == "" {
		return &codeError{exitNotFound, fmt.Errorf("task %s has no name; \"%s\" gives it one", v.Record.UID, cmd.term.line("name", ref, "NAME"))}
	}
	_, err = fmt.Fprintln(cmd.term.out, name)
	return err
}

// set gives a task a name, "" for none.
func (cmd *nameCommand) set(ctx context.Context, ref, name string, move bool) error {
	q, v, err := cmd.home.take(ctx, ref)
	if err != nil {
		return err
	}
	err = q.Name(ctx, v.Record.UID, name, move)
	var other *tasks.NameTakenError
	switch {
	case errors.As(err, &other):
		return fmt.Errorf("%w; --move takes it from that task", err)
	case errors.Is(err, record.ErrInvalid):
		return &usageError{msg: said(err.Error()), help: "qme name --help"}
	case err != nil:
		return err
	}
	cmd.home.follow(q, tasks.AfterChange)
	return nil
}
