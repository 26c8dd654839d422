package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/record"
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
			if err := oneTask(c); err != nil {
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
	subject, short := clearing(what, ids)
	if !force {
		if err := a.confirm(ctx, "This will delete "+subject); err != nil {
			return err
		}
	}
	if err := q.Clear(ctx, short, ids); err != nil {
		return err
	}
	a.note("Deleted %s.", subject)
	a.follow()
	return nil
}

// clearing names the tasks that are to go: for who is asked, and for the commit.
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

// confirm asks, and is nil for a yes only.
func (a *app) confirm(ctx context.Context, what string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	a.show(what + ", are you sure? [n]|y:")
	line, err := a.readLine(ctx)
	if !isTerminal(a.in) || !strings.HasSuffix(line, "\n") {
		a.show("\n") // where the terminal has shown none
	}
	switch {
	case ctx.Err() != nil:
		return &codeError{exitInterrupted, errors.New("interrupted; nothing was deleted")}
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &codeError{exitFailure, errors.New("nothing was deleted (--force does not ask)")}
}

// readLine reads a line of standard input, and does not wait for it when ctx ends.
func (a *app) readLine(ctx context.Context) (line string, err error) {
	read := make(chan struct{})
	var text string
	var rerr error
	go func() {
		text, rerr = bufio.NewReader(a.in).ReadString('\n')
		close(read)
	}()
	select {
	case <-read:
		return text, rerr
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
