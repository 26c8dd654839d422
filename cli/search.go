package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v3"

	"qme/gitstore"
	"qme/index"
	"qme/index/query"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// searchOptions are the flags of search.
type searchOptions struct {
	regex, json, ids, allRuns bool
	limit                     int
	sort                      string
}

func (a *app) searchCommand() *cli.Command {
	var o searchOptions
	return &cli.Command{
		Name:      "search",
		Usage:     "find tasks by any part of their text, the latest run first",
		ArgsUsage: "WORD…",
		Description: `A word is found wherever it stands in the command, message, output, error output,
directory, user, host or id, in upper or lower case; all words must be there, and of
words with OR between them one. A phrase goes in double quotes, and -WORD leaves out
what has the word. FIELD:WORD looks in one field: command, message, output, error,
pwd, user, host, executor, id, commit, branch, status. Further conditions: rc:>0,
duration:<90s, after:2026-11-01, before:2d, on:yesterday, failed, running. Quote all
of it for the shell.

Examples:
  qme search moto
  qme search 'T1w.nii rc:>0 after:2026-11-01 pwd:~/proj -pilot'
  qme search '"no space left" OR "quota exceeded" status:failed'
  qme search --regex 'seed=(4[0-9])\b' --json
  qme search -- --lr=3e-4`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "regex", Usage: "read words as regular expressions, which tell upper from lower case", Destination: &o.regex},
			&cli.BoolFlag{Name: "all-runs", Usage: "look at the earlier runs of each task, too", Destination: &o.allRuns},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "at most `N` of them", Destination: &o.limit},
			&cli.StringFlag{Name: "sort", Usage: "`ORDER` is started (the latest run first), created (the newest task first), relevance or duration (longest first)", Value: sortStarted, Destination: &o.sort},
			&cli.BoolFlag{Name: "ids", Usage: "print only ids, one a line", Destination: &o.ids},
			&cli.BoolFlag{Name: "json", Usage: "print one record a line as JSON, with where it was found", Destination: &o.json},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if o.limit < 1 && c.IsSet("limit") {
				return &usageError{msg: fmt.Sprintf("-n takes a number from 1, not %d; without it all tasks are listed", o.limit), help: "qme search --help"}
			}
			if o.sort == sortNewest {
				o.sort = sortStarted
			}
			if !slices.Contains(sortOrders, o.sort) {
				return &usageError{msg: fmt.Sprintf("--sort takes %s, not %q", strings.Join(sortOrders, ", "), o.sort), help: "qme search --help"}
			}
			if o.ids && o.json {
				return &usageError{msg: "--ids and --json exclude each other", help: "qme search --help"}
			}
			q, err := parseQuery(strings.Join(c.Args().Slice(), " "), o.regex)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.search(ctx, q, o)
		},
	}
}

// parseQuery reads a query; what is wrong with it is a usageError that shows where.
func parseQuery(text string, regex bool) (*query.Query, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // then ~ stays as it is
	}
	q, err := query.Parse(text, query.Options{Regex: regex, Now: now, Home: home})
	var wrong *query.SyntaxError
	if !errors.As(err, &wrong) {
		return q, err
	}
	msg := wrong.Explain()
	if wrong.Text != "" {
		msg += "; for the shell, quoted once more: qme search '\"" + strings.ReplaceAll(wrong.Text, "'", `'\''`) + "\"'"
	}
	if text != "" {
		before := safe.Line(text[:wrong.Pos])
		msg += "\n  " + before + safe.Line(text[wrong.Pos:]) + "\n  " + strings.Repeat(" ", runewidth.StringWidth(before)) + "^"
	}
	return nil, &usageError{msg: msg + "\nFields: " + strings.Join(query.Fields, ", ") + "; and failed, running.", help: "qme search --help"}
}

func (a *app) search(ctx context.Context, q *query.Query, o searchOptions) error {
	hist, err := a.history(ctx)
	if err != nil {
		return err
	}
	// First what is in flight: a run that ends meanwhile is then seen in one of the two.
	flying := a.inFlight(hist)
	s, err := a.newSearch(q, o, flying)
	if err != nil {
		return err
	}
	if o.sort == sortStarted {
		if err := a.orderFound(ctx, s); err != nil {
			return err
		}
	}
	home, err := a.homeDir()
	if err != nil {
		return err
	}
	if o.allRuns {
		s.Earlier = earlierRuns(hist)
	}
	short, err := hist.Short()
	if err != nil {
		return err
	}
	a.indexProgress(s)
	out, closePager, err := a.pager(o.json || o.ids)
	if err != nil {
		return err
	}
	n, err := a.printFound(ctx, sorted(s.Run(ctx, filepath.Join(home, "index")), q, o), q, o, naming{short, s.Order == nil || s.Order.Mixed}, out)
	err = errors.Join(err, closePager())
	if errors.Is(err, context.Canceled) {
		return &codeError{exitInterrupted, errors.New("interrupted")}
	}
	if err != nil {
		return err
	}
	if n == 0 {
		a.note("No task matches.")
	}
	a.noteOver(s)
	return nil
}

// progressPatience is how long work goes on before anything is shown of it.
const progressPatience = 500 * time.Millisecond

// patientProgress shows on a terminal how far work is, when it takes its time. show is nil
// where nothing can be shown.
func (a *app) patientProgress(what string) (show func(n int), done func()) {
	now, done := a.progress()
	if now == nil {
		return nil, done
	}
	var first time.Time
	return func(n int) {
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) > progressPatience {
			now(what, n, 0)
		}
	}, done
}

// indexProgress shows how far indexing is.
func (a *app) indexProgress(s *index.Search) {
	show, done := a.patientProgress("tasks indexed for searching")
	if show != nil {
		s.Progress, s.Indexed = show, done
	}
}

// noteOver says of how many streams only a part was searched.
func (a *app) noteOver(s *index.Search) {
	n := s.Over()
	if n == 0 || !s.Query.Streams() {
		return
	}
	streams := fmt.Sprintf("%d streams over %s are", n, humanize.IBytes(uint64(s.Limit)))
	if n == 1 {
		streams = fmt.Sprintf("1 stream over %s is", humanize.IBytes(uint64(s.Limit)))
	}
	a.note("%s not searched past it, but for the end (setting search.limit).", streams)
}

// firstIndexWait is how long a search waits for another process that makes the index. To
// look at each record takes as long, and slows the other one down.
const firstIndexWait = 20 * time.Second

func (a *app) newSearch(q *query.Query, o searchOptions, flying []index.Run) (*index.Search, error) {
	latest, err := a.latest()
	if err != nil {
		return nil, err
	}
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	return &index.Search{
		Source: latest, Query: q, InFlight: flying, Limit: cfg.Size("search.limit"), Whole: o.json,
		Hold:    !o.streams(),
		MaxWait: firstIndexWait,
		Waiting: func() {
			a.note("Another process is making the search index; this one waits for it, at most %s.", firstIndexWait)
		},
		Warn: func(err error) { a.warn("%v", err) },
	}, nil
}

// orderFound has a search find the latest run first.
func (a *app) orderFound(ctx context.Context, s *index.Search) error {
	o, err := a.orderOf(ctx, s.Source.(source))
	if errors.Is(err, record.ErrCorrupt) || errors.Is(err, record.ErrInvalid) {
		a.warn("the newest task comes first, since it cannot be read when tasks were run last: %v", err)
		return nil
	} else if err != nil {
		return err
	}
	var recs []*record.Record
	for _, r := range s.InFlight {
		recs = append(recs, r.Record)
	}
	s.Order = o.With(recs)
	return nil
}

// earlierRuns yields the runs of a task before its latest.
func earlierRuns(q *tasks.Service) func(*record.Record) iter.Seq2[index.Run, error] {
	return func(rec *record.Record) iter.Seq2[index.Run, error] {
		return func(yield func(index.Run, error) bool) {
			for v, err := range q.Earlier(rec) {
				if !yield(index.Run{Record: v.Record, Stream: v.Stream, Number: v.Number}, err) {
					return
				}
			}
		}
	}
}

// inFlight returns the runs that are in the spool.
func (a *app) inFlight(q *tasks.Service) []index.Run {
	versions, errs := q.InFlight()
	for _, err := range errs {
		a.warn("%v", err)
	}
	var runs []index.Run
	for _, v := range versions {
		runs = append(runs, index.Run{Record: v.Record, Stream: v.Stream})
	}
	return runs
}

// A source is the history as of one commit, as index wants it.
type source struct {
	store *gitstore.Store
	sn    *gitstore.Snapshot
}

// latest returns the history as of its newest commit.
func (a *app) latest() (s source, err error) {
	if s.store, err = a.openStore(); err == nil {
		s.sn, err = s.store.Latest()
	}
	return s, err
}

// Commit implements index.Source, as do the other methods.
func (s source) Commit() string { return s.sn.Commit.String() }

func (s source) Records(rg record.Range) iter.Seq[record.Result] { return s.sn.Records(rg) }

func (s source) Select(ids []record.ID, brief bool) iter.Seq[record.Result] {
	return s.sn.Select(ids, brief)
}

func (s source) Stream(rec *record.Record, name record.StreamName) (io.ReadCloser, error) {
	r, _, err := s.sn.Stream(rec, name)
	return r, err
}

func (s source) Changes(ctx context.Context, from string) iter.Seq2[index.Change, error] {
	return func(yield func(index.Change, error) bool) {
		for d, err := range s.store.Differences(ctx, from, s.Commit()) {
			if !yield(index.Change{ID: d.ID, Gone: err == nil && d.Removed()}, err) {
				return
			}
		}
	}
}

// naming is how the tasks that were found are named.
type naming struct {
	short func(id record.ID, unique int) (string, error)
	mixed bool // as in record.Order
}

// printFound prints tasks as they are found and counts them.
func (a *app) printFound(ctx context.Context, found iter.Seq[index.Found], q *query.Query, o searchOptions, names naming, to io.Writer) (n int, err error) {
	w := newFlusher(to)
	t := a.newTable(w)
	t.mixed, t.runs = names.mixed, o.allRuns
	unreadable := false
	for f := range found {
		switch {
		case ctx.Err() != nil:
			return n, errors.Join(w.Flush(), ctx.Err())
		case f.Err != nil && f.ID == "":
			return n, errors.Join(w.Flush(), f.Err)
		case f.Err != nil:
			unreadable = true
			a.warn("%v", f.Err)
			continue
		}
		n++
		switch {
		case o.ids:
			_, err = fmt.Fprintln(w, nameOf(f))
		case o.json:
			err = writeFoundJSON(w, f, q)
		default:
			var name string
			if name, err = names.short(f.ID, f.Unique); err != nil {
				return n, errors.Join(w.Flush(), err)
			}
			err = t.found(f, name, q)
		}
		if err != nil {
			return n, outputError(err)
		}
		if n == o.limit {
			return n, outputError(w.Flush())
		}
	}
	if err := w.Flush(); err != nil {
		return n, outputError(err)
	}
	if unreadable {
		return n, &codeError{exitCorrupt, errors.New("some records cannot be read, so they may be missing; \"qme check\" says more")}
	}
	return n, nil
}
