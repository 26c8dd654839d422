package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/index/query"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

type tagCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *tagCommand) command() *cli.Command {
	var remove []string
	var from queryFlags
	return &cli.Command{
		Name:      "tag",
		Usage:     "tag tasks, or show their tags",
		ArgsUsage: "[TASK…] [+TAG…]",
		Description: `Words that begin with + are tags to add. Without them, and without --remove, the tags of
the tasks are shown, one per line. The default task is the one that you gave last. A tag
has up to 60 characters, without blanks and commas.

With --query all tasks that match a query are tagged at once, in the language of "qme
search".

Examples:
  qme tag 019aaf3c +paper
  qme tag @1 @2 +paper +figure-3 --remove draft
  qme tag --query 'command:fit after:monday' +paper
  qme tag @1`,
		Flags: append(from.flags("tag the tasks that match the `QUERY`, as in \"qme search\""), []cli.Flag{
			&cli.StringSliceFlag{Name: "remove", Usage: "remove the `TAG`", Destination: &remove},
		}...),
		Action: func(ctx context.Context, c *cli.Command) error {
			refs, add := []string{}, []string{}
			for _, word := range c.Args().Slice() {
				if tag, isTag := strings.CutPrefix(word, "+"); isTag {
					add = append(add, tag)
				} else {
					refs = append(refs, word)
				}
			}
			for _, ref := range refs {
				if err := wholeTask(c, ref); err != nil {
					return err
				}
			}
			what, err := from.query(c, cmd.settings)
			if err != nil {
				return err
			}
			if what != nil {
				if err := noTask(c, refs); err != nil {
					return err
				}
			}
			for _, tag := range append(slices.Clone(add), remove...) {
				if err := record.CheckTag(tag); err != nil {
					return &usageError{msg: said(err.Error()), help: "qme tag --help"}
				}
			}
			switch {
			case len(add)+len(remove) > 0:
				return cmd.change(ctx, refs, what, add, remove)
			case what != nil:
				return &usageError{msg: "tag needs a tag, such as +paper", help: "qme tag --help"}
			}
			return cmd.list(ctx, refs)
		},
	}
}

// list shows the tags of tasks.
func (cmd *tagCommand) list(ctx context.Context, refs []string) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		refs = []string{""}
	}
	var tags []string
	for i, ref := range refs {
		v, err := q.Find(ref)
		if i > 0 && errors.Is(err, record.ErrNotFound) && record.CheckTag(ref) == nil {
			return &codeError{exitNotFound, fmt.Errorf("%s; a tag to add begins with +, as in \"%s\"", said(err.Error()), cmd.term.line("tag", refs[0], "+"+ref))}
		}
		if err != nil {
			return err
		}
		tags = append(tags, v.Record.Notes.Tagged()...)
	}
	slices.Sort(tags)
	if len(tags) == 0 {
		cmd.term.note("There are no tags; \"%s\" adds one.", cmd.term.line("tag", cmp.Or(refs[0], "TASK"), "+TAG"))
	}
	return cmd.term.listing(false, func(w *bufio.Writer) error {
		for _, tag := range slices.Compact(tags) {
			if _, err := fmt.Fprintln(w, safe.Line(tag)); err != nil {
				return err
			}
		}
		return nil
	})
}

// change adds and removes tags of the tasks that are named, or match a query.
func (cmd *tagCommand) change(ctx context.Context, refs []string, what *query.Query, add, remove []string) error {
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	ids, err := cmd.selected(q, refs, what)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		cmd.term.noteNoMatch(q)
		return nil
	}
	if err := q.Tag(ctx, ids, add, remove); err != nil {
		return err
	}
	switch {
	case len(ids) == 1:
	case len(add) == 0:
		cmd.term.note("Untagged %s.", count(len(ids), "task"))
	default:
		cmd.term.note("Tagged %s.", count(len(ids), "task"))
	}
	cmd.home.follow(q, tasks.AfterChange)
	return nil
}

// selected returns the tasks to tag.
func (cmd *tagCommand) selected(q *tasks.Service, refs []string, what *query.Query) ([]record.ID, error) {
	if what != nil {
		s, err := q.Matching(what, 0)
		if err != nil {
			return nil, err
		}
		return s.IDs, nil
	}
	if len(refs) == 0 {
		refs = []string{""}
	}
	var ids []record.ID
	for _, ref := range refs { // each is looked up once: @N may be another task by the next time
		v, err := q.Find(ref)
		if err != nil {
			return nil, err
		}
		if taken(cmd.term, ref, v.Record); !slices.Contains(ids, v.Record.UID) {
			ids = append(ids, v.Record.UID)
		}
	}
	return ids, nil
}
