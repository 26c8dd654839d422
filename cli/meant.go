package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"qme/index/query"
	"qme/internal/safe"
	"qme/tasks"
)

// maxSuggested is how long a query is at most, in bytes, that is repeated with other words.
const maxSuggested = 500

// A question is a search that has found nothing. text is the part of the query that the user
// has typed.
type question struct {
	hist *tasks.Service
	s    *tasks.Search
	q    *query.Query
	text string
}

// noteOthers prints what would find something, where a search has found nothing.
func (cmd *searchCommand) noteOthers(ctx context.Context, of question, o searchOptions) error {
	if cmd.term.quiet {
		return nil
	}
	if of.text != "" && !o.regex {
		if err := cmd.noteTyped(ctx, of, o); err != nil {
			return err
		}
	}
	if !of.s.FromIndex() {
		return nil // each further search would look at each record
	}
	if err := cmd.noteVariables(ctx, of); err != nil {
		return err
	}
	return cmd.noteEarlier(ctx, of, o)
}

// noteTyped prints which conditions, expressions and words the user probably meant.
func (cmd *searchCommand) noteTyped(ctx context.Context, of question, o searchOptions) error {
	typed, err := parseQuery(of.text, false)
	if err != nil {
		return err
	}
	options := queryOptions(false)
	doubts := typed.Doubts(of.text, options)
	for i, d := range doubts {
		note := fmt.Sprintf("%q was searched for as text; did you mean %s?", d.Typed, safe.Line(d.Meant))
		if i == len(doubts)-1 {
			note += cmd.suggestion(query.WithConditions(of.text, doubts), o)
		}
		cmd.term.note("%s", note)
	}
	if typed.MeantRegex(of.text, options) {
		with := o
		with.regex = true
		cmd.term.note("Words are regular expressions with --regex alone.%s", cmd.suggestion(of.text, with))
	}
	all := slices.DeleteFunc(typed.Words(), func(w query.Word) bool {
		return slices.ContainsFunc(doubts, func(d query.Doubt) bool { return slices.Contains(w.Places, d.Place) })
	})
	return cmd.noteMeant(ctx, of.s, of.text, all, o)
}

// maxVariables is of how many variables is said that no run has them.
const maxVariables = 3

// noteVariables prints which variables that a query asks for are of no run.
func (cmd *searchCommand) noteVariables(ctx context.Context, of question) error {
	names := of.q.Variables()
	for _, name := range names[:min(len(names), maxVariables)] {
		if n, err := cmd.count(ctx, of, query.Variable(name), tasks.SearchOptions{AllRuns: true}, 1); n > 0 || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if upper := strings.ToUpper(name); upper != name {
			n, err := cmd.count(ctx, of, query.Variable(upper), tasks.SearchOptions{AllRuns: true}, 1)
			if err != nil {
				return err
			}
			if n > 0 {
				cmd.term.note("No run has the variable %.80q; did you mean env:%s?", name, safe.Bounded(upper))
				continue
			}
		}
		cmd.term.note("No run has the variable %.80q; the setting run.env lists those that are recorded.", name)
	}
	return nil
}

// maxEarlier is up to which number earlier runs are counted.
const maxEarlier = 100

// noteEarlier prints how many earlier runs of tasks match a query.
func (cmd *searchCommand) noteEarlier(ctx context.Context, of question, o searchOptions) error {
	if o.allRuns {
		return nil
	}
	n, err := cmd.count(ctx, of, of.q, tasks.SearchOptions{AllRuns: true, EarlierOnly: true}, maxEarlier)
	if err != nil || n == 0 {
		return err
	}
	runs := fmt.Sprintf("%d earlier runs match", n)
	switch n {
	case 1:
		runs = "1 earlier run matches"
	case maxEarlier:
		runs = fmt.Sprintf("At least %s", runs)
	}
	o.allRuns = true
	cmd.term.note("%s: --all-runs%s", runs, cmd.suggestion(of.text, o))
	return nil
}

// count returns how many runs match a query, most at most. One that cannot be read matches none.
func (cmd *searchCommand) count(ctx context.Context, of question, q *query.Query, o tasks.SearchOptions, most int) (n int, err error) {
	s, err := of.hist.Search(ctx, q, o)
	if err != nil {
		return 0, err
	}
	for f := range s.Found {
		switch {
		case f.Err != nil && f.ID == "":
			return n, f.Err
		case f.Err != nil:
			continue
		}
		if n++; n == most {
			break
		}
	}
	return n, nil
}

// noteMeant prints which words of a query that finds nothing are in no task, and those that the
// user probably meant. text is the part of the query that the user has typed.
func (cmd *searchCommand) noteMeant(ctx context.Context, s *tasks.Search, text string, words []query.Word, o searchOptions) error {
	list, err := s.Mean(ctx, words)
	if err != nil {
		return err
	}
	last := -1
	for i, m := range list {
		if m.Near != "" {
			last = i
		}
	}
	for i, m := range list {
		note := fmt.Sprintf("%q is in no task", m.Typed(text))
		if m.Field != "" {
			note = fmt.Sprintf("%q is in no task's %s", m.Typed(text), m.Field)
		}
		switch {
		case m.Near != "":
			note += fmt.Sprintf("; did you mean %s?", safe.Line(m.Near))
		case m.Alone && o.saved == "":
			continue // that has been said
		default:
			note += "."
		}
		if i == last {
			note += cmd.suggestion(query.Corrected(text, list), o)
		}
		cmd.term.note("%s", note)
	}
	return nil
}

// suggestion returns a command line that searches for another query with the same tasks, in
// parentheses; "" where a terminal would not show it as it is.
func (cmd *searchCommand) suggestion(text string, o searchOptions) string {
	words := []string{"search"}
	if o.regex {
		words = append(words, "--regex")
	}
	if o.allRuns {
		words = append(words, "--all-runs")
	}
	if o.saved != "" {
		words = append(words, "--saved", o.saved)
	}
	if strings.HasPrefix(text, "-") {
		words = append(words, "--")
	}
	if len(text) > maxSuggested || safe.Line(text) != text {
		return ""
	}
	if text != "" {
		words = append(words, text)
	}
	return " (" + cmd.term.line(words...) + ")"
}
