package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v3"

	"qme/index"
	"qme/index/query"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// searchOptions are the flags of search.
type searchOptions struct {
	regex, json, ids, allRuns, cleared bool
	count                              bool
	countBy                            string // one of index.Counted, or ""
	limit                              int
	sort                               string
	save, saved                        string // the name of a search
	listSaved                          bool
}

type searchCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *searchCommand) command() *cli.Command {
	var o searchOptions
	return &cli.Command{
		Name:      "search",
		Usage:     "find tasks by any part of their text, the latest run first",
		ArgsUsage: "WORD…",
		Description: `A word is found anywhere in the command, message, notes, output, error output, directory,
user or host, in upper or lower case, and 7 characters or more at the beginning of the
id or the git commit. A task must match all words; of words with OR between them, one
is enough. Parentheses around words make groups: a (b OR c).
Put a phrase in double quotes. -WORD excludes tasks with the word, -(WORD OR WORD)
those with either. WORD~ finds words that differ by one letter, WORD~2 by two.
FIELD:WORD searches one field: command, message, note, tag, output, error, pwd, user, host,
executor, id, commit, branch, status; out:FILE and in:FILE a file that the run named
and made, or used. Further conditions: rc:>0, duration:<90s, after:2026-11-01,
before:2d, on:yesterday, run:>1, env:NAME=VALUE, failed, cancelled, running, queued;
status:ok is the others; of jobs job:907484, state:TIMEOUT, partition:gpu; of what
was used memory:>1GiB, program:python, software:envs/fmri, container:fmriprep, hash:3f2a91c
of a file. Quote the whole query for the shell.

--cleared finds tasks that "qme clear" has removed, and no others; without a WORD it
lists all of them. Standard error says how to read such a record.

--save NAME keeps a query in the settings, and --saved NAME searches for it; further
words restrict it. "qme config --unset searches.NAME" removes it.

Examples:
  qme search moto
  qme search 'T1w.nii rc:>0 after:2026-11-01 pwd:~/proj -pilot'
  qme search '"no space left" OR "quota exceeded" status:failed'
  qme search 'train (failed OR output:nan) -(pilot OR test)'
  qme search out:figures/fig1.png
  qme search 'chekpoint~ job:907484 state:TIMEOUT'
  qme search --regex 'seed=(4[0-9])\b' --json
  qme search -- --lr=3e-4
  qme search --count 'failed on:today'
  qme search --count-by host 'failed after:7d'
  qme search --cleared --sort duration moto
  qme search --save broken 'failed after:7d -pilot'
  qme search --saved broken user:alice`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "regex", Usage: "read words as regular expressions, which are case-sensitive", Destination: &o.regex},
			&cli.BoolFlag{Name: "all-runs", Usage: "search the earlier runs of each task, too", Destination: &o.allRuns},
			&cli.BoolFlag{Name: "cleared", Usage: "search the tasks that were cleared, and no others", Destination: &o.cleared},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` tasks", HideDefault: true, Destination: &o.limit},
			&cli.StringFlag{Name: "sort", Usage: "`ORDER` is started (the latest run first), oldest (the first run first), created (the newest task first), relevance, duration (longest first) or memory (most first)", Value: sortStarted, Destination: &o.sort},
			&cli.BoolFlag{Name: "ids", Usage: "print only ids, one per line", Destination: &o.ids},
			&cli.BoolFlag{Name: "count", Usage: "print only how many tasks match, with --all-runs how many runs", Destination: &o.count},
			&cli.StringFlag{Name: "count-by", OnlyOnce: true, Usage: "print only how many tasks, with --all-runs how many runs, have each value of a `FIELD`: " + strings.Join(index.Counted, ", ") + "; without a WORD of all tasks; -n is then the number of values", Destination: &o.countBy},
			&cli.BoolFlag{Name: "json", Usage: "print one record per line as JSON, with the places where it matches", Destination: &o.json},
			&cli.StringFlag{Name: "save", OnlyOnce: true, Usage: "save the query under a `NAME` instead of searching", Destination: &o.save},
			&cli.StringFlag{Name: "saved", OnlyOnce: true, Usage: "search for the query that was saved under a `NAME`, and for the further words", Destination: &o.saved},
			&cli.BoolFlag{Name: "list-saved", Usage: "list the saved queries, with --json one object per line", Destination: &o.listSaved},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			text := strings.Join(c.Args().Slice(), " ")
			if done, err := cmd.keeps(c, text, o); done || err != nil {
				return err
			}
			if o.sort == sortNewest {
				o.sort = sortStarted
			}
			if err := o.check(c); err != nil {
				return err
			}
			q, err := cmd.query(c.IsSet("saved"), text, o)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return cmd.run(ctx, q, text, o)
		},
	}
}

// check returns an error if the options make no sense.
func (o searchOptions) check(c *cli.Command) error {
	usage := func(format string, args ...any) error {
		return &usageError{msg: fmt.Sprintf(format, args...), help: "qme search --help"}
	}
	switch {
	case o.limit < 1 && c.IsSet("limit"):
		return usage("-n takes a number from 1, not %d; without it all are listed", o.limit)
	case !slices.Contains(sortOrders, o.sort):
		return usage("--sort takes %s, not %q", strings.Join(sortOrders, ", "), o.sort)
	case o.ids && o.json:
		return usage("--ids and --json exclude each other")
	case o.count && (o.ids || o.json):
		return usage("--count goes with neither --ids nor --json")
	case c.IsSet("count-by") && !slices.Contains(index.Counted, o.countBy):
		return usage("--count-by takes %s, not %q", strings.Join(index.Counted, ", "), o.countBy)
	case c.IsSet("count-by") && (o.count || o.ids || c.IsSet("sort")):
		return usage("--count-by goes with none of --count, --ids and --sort")
	}
	return nil
}

// shownAround is how many columns of a wrong query are shown before and after the place.
const shownAround = 100

// parseQuery parses a query. Syntax errors are usageErrors that mark the place.
func parseQuery(text string, regex bool) (*query.Query, error) {
	if strings.TrimSpace(text) == "" {
		return nil, &usageError{msg: "there is nothing to search for; \"qme ls\" lists tasks", help: "qme search --help"}
	}
	q, err := query.Parse(text, queryOptions(regex))
	var wrong *query.SyntaxError
	if !errors.As(err, &wrong) {
		return q, err
	}
	msg := wrong.Explain()
	if wrong.Text != "" {
		option := ""
		if regex {
			option = "--regex "
		}
		msg += "; for the shell, quoted once more: qme search " + option + "'\"" + strings.ReplaceAll(wrong.Text, "'", `'\''`) + "\"'"
	}
	before, after := safe.Line(text[:wrong.Pos]), safe.Line(text[wrong.Pos:])
	if over := runewidth.StringWidth(before) - shownAround; over > 0 {
		before = runewidth.TruncateLeft(before, over, "…")
	}
	after = runewidth.Truncate(after, shownAround, "…")
	msg += "\n  " + before + after + "\n  " + strings.Repeat(" ", runewidth.StringWidth(before)) + "^"
	if wrong.Field != "" {
		msg += "\nFields: " + strings.Join(query.FieldWords(), ", ") + "; and " + strings.Join(query.StatusWords, ", ") + "."
	}
	return nil, &usageError{msg: msg, help: "qme search --help"}
}

// queryOptions returns how a query is read.
func queryOptions(regex bool) query.Options {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // then ~ is not expanded
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // then . is text
	}
	return query.Options{Regex: regex, Now: now, Home: home, Dir: dir}
}

// run searches. text is the part of the query that was typed.
func (cmd *searchCommand) run(ctx context.Context, q *query.Query, text string, o searchOptions) error {
	hist, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	if o.countBy != "" {
		o.sort = tasks.SortCreated // the one without cost
	}
	s, err := hist.Search(ctx, q, tasks.SearchOptions{Sort: o.sort, Limit: o.limit, AllRuns: o.allRuns, Cleared: o.cleared, Whole: o.json})
	if err != nil {
		return err
	}
	n, leftOut := 0, 0
	var first *index.Found
	err = cmd.term.listing(o.json || o.ids || o.count, func(w *bufio.Writer) (err error) {
		if o.countBy != "" {
			n, leftOut, err = cmd.countBy(ctx, s, o, w)
		} else {
			n, first, err = cmd.printFound(ctx, s, q, o, w)
		}
		return err
	})
	if leftOut > 0 {
		cmd.term.note("%s left out.", count(leftOut, "further value"))
	}
	of := question{hist, s, q, text, o, []string{"search"}}
	switch {
	case first != nil && o.cleared && !o.json && !o.ids && !o.count:
		cmd.noteReading(first)
	case n == 0 && err == nil && o.cleared:
		cmd.term.note("No task that was cleared matches.")
	case n == 0 && err == nil:
		cmd.term.noteNoMatch(hist)
		err = cmd.term.noteOthers(ctx, of)
	case err == nil:
		err = cmd.term.noteOperators(of)
	}
	if errors.Is(err, context.Canceled) {
		return &codeError{exitInterrupted, errors.New("interrupted")}
	}
	if err != nil {
		return err
	}
	return cmd.noteOver(s.Over(), q)
}

// noteOver prints the number of streams that were searched only in part.
func (cmd *searchCommand) noteOver(n int, q *query.Query) error {
	if n == 0 || !q.Streams() {
		return nil
	}
	cfg, err := cmd.settings.config()
	if err != nil {
		return err
	}
	limit := humanize.IBytes(uint64(cfg.Size("search.limit")))
	streams := fmt.Sprintf("%d streams over %s are", n, limit)
	if n == 1 {
		streams = fmt.Sprintf("1 stream over %s is", limit)
	}
	cmd.term.note("%s not searched past it, but for the end (setting search.limit).", streams)
	return nil
}

// noteReading says how to read the record of a task that was cleared.
func (cmd *searchCommand) noteReading(f *index.Found) {
	cmd.term.note("To read the record of %s: %s", f.ID, cmd.term.line("git", "show", recordOf(f.Cleared)))
}

// recordOf names the last record of a task that was cleared, for git.
func recordOf(c *record.Clearing) string { return fmt.Sprintf("%.10s:%s", c.Before, c.ID.Path()) }

// printFound prints tasks as they are found and returns their number, and the first of them.
func (cmd *searchCommand) printFound(ctx context.Context, s *tasks.Search, q *query.Query, o searchOptions, w *bufio.Writer) (n int, first *index.Found, err error) {
	t := cmd.term.newTable(w)
	t.mixed, t.runs = s.Mixed, o.allRuns
	unreadable := false
	for f := range s.Found {
		switch {
		case ctx.Err() != nil:
			return n, first, ctx.Err()
		case f.Err != nil && f.ID == "":
			return n, first, f.Err
		case f.Err != nil:
			unreadable = true
			cmd.term.warn("%v", f.Err)
			continue
		}
		if n++; first == nil {
			first = &f
		}
		switch {
		case o.count:
		case o.ids:
			_, err = fmt.Fprintln(w, nameOf(f))
		case o.json:
			err = writeFoundJSON(w, f, q)
		default:
			var name string
			if name, err = s.Short(f); err != nil {
				return n, first, err
			}
			err = t.found(f, name, q)
		}
		if err != nil {
			return n, first, err
		}
		if n == o.limit {
			unreadable = false // all that was asked for is there
			break
		}
	}
	if o.count {
		if _, err := fmt.Fprintln(w, n); err != nil {
			return n, first, err
		}
	}
	if unreadable {
		return n, first, errMayBeMissing()
	}
	return n, first, nil
}

// errMayBeMissing is the error of a search after records that cannot be read.
func errMayBeMissing() error {
	return &codeError{exitCorrupt, errors.New("some records cannot be read, so they may be missing; \"qme check\" says more")}
}
