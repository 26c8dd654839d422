package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

func (a *app) clearCommand() *cli.Command {
	var force bool
	return &cli.Command{
		Name:      "clear",
		Usage:     "delete a task, those of an executor, or all",
		ArgsUsage: "[TASK|EXECUTOR]",
		Description: `The tasks are gone from "qme ls" and "qme get". Their runs stay in the git
history ("qme git log"): what was ever recorded is not lost.

Examples:
  qme clear 019aaf3c
  qme clear shell
  qme clear --force`,
		Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "do not ask", Destination: &force}},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := atMost(c, 1); err != nil {
				return err
			}
			return a.clear(ctx, c.Args().First(), force)
		},
	}
}

func (a *app) clear(ctx context.Context, what string, force bool) error {
	q, err := a.history(ctx)
	if err != nil {
		return err
	}
	ids, err := q.Select(what)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		a.note("There are no tasks.")
		return nil
	}
	subject := fmt.Sprintf("task %s", ids[0])
	switch {
	case what == "" || len(ids) > 1:
		subject = fmt.Sprintf("all %d tasks", len(ids))
		if what != "" {
			subject = fmt.Sprintf("%d tasks of %s", len(ids), what)
		}
	}
	if !force {
		if err := a.confirm("This will delete " + subject); err != nil {
			return err
		}
	}
	if err := q.Clear(ctx, strings.TrimPrefix(subject, "task "), ids); err != nil {
		return err
	}
	a.note("Deleted %s.", subject)
	return nil
}

// confirm asks, and is nil for a yes only.
func (a *app) confirm(what string) error {
	a.show(what + ", are you sure? [n]|y:")
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if !isTerminal(a.in) {
		a.show("\n")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &codeError{exitFailure, errors.New("nothing was deleted (--force does not ask)")}
}
