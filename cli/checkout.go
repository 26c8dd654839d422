package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize/english"
	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/internal/safe"
	"qme/provenance/patch"
	"qme/record"
	"qme/tasks"
)

type checkoutCommand struct {
	term *terminal
	home *home
}

// checkoutOptions are the flags of checkout.
type checkoutOptions struct {
	tasks.CheckoutOptions
	yes, json bool
}

func (cmd *checkoutCommand) command() *cli.Command {
	var o checkoutOptions
	return &cli.Command{
		Name:      "checkout",
		Usage:     "bring back the code of a run, as a git worktree",
		ArgsUsage: "TASK[@RUN] DIR",
		Description: `DIR, which must not exist, gets the commit that was checked out when the run began,
and then the changes of the working tree that were not committed. What is not brought
back, such as untracked files, is named. Nothing is fetched, and neither hooks nor
filters (git-lfs) run. "git worktree remove DIR" removes it.

The repository is the one in which the run took place, or with --code the one in which
its script lies, if that is another one. If this home has not recorded the code of the
run, or a pull has changed it, it is that of the current directory or of --repo, and
qme asks for confirmation; without a terminal it needs --yes.

Examples:
  qme checkout 019aaf3c ../as-it-was
  qme checkout 019aaf3c@1 /tmp/first --commit-only
  qme checkout --code @1 ../tools-then
  qme checkout @1 /tmp/theirs --repo ~/code --yes`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "code", Usage: "take the repository of the script", Destination: &o.Code},
			&cli.StringFlag{Name: "repo", Usage: "take the repository that contains `DIR`", Destination: &o.Repo, TakesFile: true},
			&cli.BoolFlag{Name: "commit-only", Usage: "leave out what was not committed", Destination: &o.CommitOnly},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask about code that was not recorded here", Destination: &o.yes},
			&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &o.json},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() != 2 {
				return &usageError{msg: "checkout takes a task and a directory", help: "qme checkout --help"}
			}
			return cmd.run(ctx, c.Args().Get(0), c.Args().Get(1), o)
		},
	}
}

func (cmd *checkoutCommand) run(ctx context.Context, ref, dir string, o checkoutOptions) error {
	q, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	o.Confirm = func(rec *record.Record, given bool) error { return cmd.confirm(ctx, rec, given, o.yes) }
	made, err := q.Checkout(ctx, v, dir, o.CheckoutOptions)
	var commit *patch.CommitError
	switch {
	case errors.As(err, &commit):
		return fmt.Errorf("%w; %s", err, fetchLine(commit))
	case errors.Is(err, tasks.ErrNoPatch):
		return fmt.Errorf("%w; --commit-only brings back the commit alone", err)
	case errors.Is(err, tasks.ErrOnlyCode):
		return fmt.Errorf("%w; --code brings that back", err)
	case errors.Is(err, tasks.ErrNoTree):
		return fmt.Errorf("%w; --repo DIR names a directory in it", err)
	case err != nil:
		return err
	}
	if err := cmd.print(made, o.json); err != nil || o.json {
		return err
	}
	for _, name := range made.Masked {
		cmd.term.note("Not as it was, because a secret is masked: files have [masked:%s] in its place", name)
	}
	cmd.noteMissing(made)
	return nil
}

// fetchLine returns the next step where a commit is missing.
func fetchLine(e *patch.CommitError) string {
	if e.Remote == "" {
		return "--repo names another repository"
	}
	return fmt.Sprintf("to fetch it: %s", safe.Bounded(executor.Quote([]string{"git", "-C", e.Root, "fetch", e.Remote, e.Commit})))
}

func (cmd *checkoutCommand) confirm(ctx context.Context, rec *record.Record, given, yes bool) error {
	f := giverText(rec)
	why := "was not given in this home"
	if given {
		f, why = foreignCode(rec), "has code that this home has not recorded"
	}
	if yes {
		cmd.term.note("%s", f)
		return nil
	}
	cmd.term.say("%s", f)
	if !isTerminal(cmd.term.in) || !isTerminal(cmd.term.err) {
		return fmt.Errorf("task %s %s: %w (with --yes its code is checked out, and not run)", rec.UID, why, record.ErrConflict)
	}
	return cmd.term.ask(ctx, "Check out its code", codeError{exitConflict, errors.New("nothing was done")}, "")
}

// foreignCode says of a run whose command was given here that its code, as the record has it, is not known
// to be of here.
func foreignCode(rec *record.Record) string {
	f := tasks.Foreign(rec)
	return fmt.Sprintf("This home has not recorded this code of the run; a pull may have changed it. The record says that it is by %s on %s, in %s:\n  %s", f.User, f.Host, f.Directory, f.Command)
}

func (cmd *checkoutCommand) print(made *tasks.CheckedOut, asJSON bool) error {
	return cmd.term.listing(asJSON, func(w *bufio.Writer) error {
		if asJSON {
			b, err := json.MarshalIndent(made, "", "  ")
			if err == nil {
				_, err = w.Write(append(safe.JSON(b), '\n'))
			}
			return err
		}
		_, err := fmt.Fprintln(w, safe.Message(made.Dir))
		return err
	})
}

// noteMissing names the files that were not brought back, the first few of each kind.
func (cmd *checkoutCommand) noteMissing(made *tasks.CheckedOut) {
	const shown = 5
	count := map[string]int{}
	for _, m := range made.Missing {
		count[m.Kind]++
		if count[m.Kind] > shown {
			continue
		}
		cmd.term.note("%s: %s", missingText[m.Kind], safe.Bounded(m.Path))
	}
	more := made.More
	for _, n := range count {
		more += max(0, n-shown)
	}
	if more > 0 {
		cmd.term.note("%s more: --json lists them.", english.Plural(more, "file", ""))
	}
}

var missingText = map[string]string{
	patch.MissingUntracked: "Not there, because git did not track it",
	patch.MissingSubmodule: "Not there, because it is a submodule",
	patch.MissingChanges:   "Not brought back are the changes within the submodule",
	patch.MissingFilter:    "As git stores it, because no filter was run",
	patch.MissingLink:      "Not made, because it is a link",
}
