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

	"qme/executor"
	"qme/record"
	"qme/tasks"
)

func (a *app) clearCommand() *cli.Command {
	var force bool
	return &cli.Command{
		Name:      "clear",
		Usage:     "delete a task, the tasks of an executor, or all tasks",
		ArgsUsage: "[TASK|EXECUTOR]",
		Description: `Without an argument all tasks are deleted. They disappear from "qme ls" and
"qme get", and with the next sync from the other clones. Their runs stay in the git
history ("qme git log"), so no record is lost, and git can revert the commit.
qme prints the command for that.

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
	q, err := a.settled(ctx)
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
	if err := a.takenByClear(q, what, ids); err != nil {
		return err
	}
	if !force {
		if err := a.confirm(ctx, "This will delete "+subject+" (git can bring back what is deleted)"); err != nil {
			return err
		}
	}
	version, err := q.Clear(ctx, short, ids)
	if err != nil {
		return err
	}
	a.note("Deleted %s.", subject)
	undoing, err := a.undoing(version)
	if err != nil {
		return err
	}
	a.note("To get back what was deleted: %s", undoing)
	a.follow(q, tasks.AfterChange)
	return nil
}

// takenByClear says which task it is, where that was not typed.
func (a *app) takenByClear(q *tasks.Service, what string, ids []record.ID) error {
	if len(ids) > 1 || what != "" && !strings.HasPrefix(what, "@") {
		return nil
	}
	v, err := q.Find(string(ids[0]))
	if err != nil {
		return err
	}
	a.taken("", v.Record)
	return nil
}

// undoing returns a line for a shell that takes a commit of the history back. git needs a
// folder for that, which is made and goes again. What is recorded meanwhile stays: the
// branch is changed only where it still is as the folder was made from. Nothing of the
// line depends on how git is set up.
func (a *app) undoing(version string) (string, error) {
	s, err := a.openStore()
	if err != nil {
		return "", err
	}
	const folder = "qme-undo"
	who := s.Identity()
	revert := executor.Quote([]string{"git", "-c", "user.name=" + who.Name, "-c", "user.email=" + who.Email,
		"-c", "commit.gpgsign=false", "revert", "--no-edit", fmt.Sprintf("%.10s", version)})
	within := fmt.Sprintf(`cd %s && trap "git worktree remove --force ." EXIT && %s && git update-ref refs/heads/main HEAD HEAD~`, folder, revert)
	return a.line("git", "worktree", "add", "-q", "--detach", folder, "main") + " && " + executor.Quote([]string{"sh", "-c", within}), nil
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
	return a.ask(ctx, what+", are you sure", codeError{exitFailure, errors.New("nothing was deleted")}, " (--force does not ask)")
}

// ask asks a question, and is nil for a yes only. no is what any other answer means, and
// hint the way out.
func (a *app) ask(ctx context.Context, question string, no codeError, hint string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	a.show(question + "? [n]|y:")
	line, err := a.readLine(ctx)
	if !isTerminal(a.in) || !strings.HasSuffix(line, "\n") {
		a.show("\n") // where the terminal has shown none
	}
	switch {
	case ctx.Err() != nil:
		return &codeError{exitInterrupted, fmt.Errorf("interrupted; %w", no.err)}
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &codeError{no.code, fmt.Errorf("%w%s", no.err, hint)}
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
