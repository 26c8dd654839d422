package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"qme/index/query"
	"qme/internal/near"
	"qme/internal/safe"
	"qme/tasks"
)

// maxSuggested is how long a query is at most, in bytes, that is repeated with other words.
const maxSuggested = 500

// A question is a query for which nothing was found.
type question struct {
	hist *tasks.Service
	s    *tasks.Search
	q    *query.Query
	text string        // the part of the query that the user has typed
	o    searchOptions // of search, and of other commands those that --query has
	asks []string      // the words of the command line before the query
}

// search reports whether the command is one such as "qme search", which has the query as its words.
func (of question) search() bool { return len(of.asks) == 1 }

// noteOthersIn prints what would find something, where no task at all matches the query of another
// command than search.
func (t *terminal) noteOthersIn(ctx context.Context, hist *tasks.Service, what *query.Query, f queryFlags, command string) error {
	of := question{hist: hist, q: what, text: f.text, asks: []string{command, "--query"}}
	if command == "clear" || command == "rerun" { // a guess is looked at first
		of.asks = []string{"search"}
	}
	if f.saved != "" {
		of.text, of.o.saved = "", f.saved
	}
	return t.noteOthersOf(ctx, of)
}

// noteOthersOf is noteOthersIn for a question that has all but its search.
func (t *terminal) noteOthersOf(ctx context.Context, of question) (err error) {
	if t.quiet {
		return nil
	}
	if of.s, err = of.hist.Search(ctx, of.q, tasks.SearchOptions{Sort: tasks.SortCreated, Limit: 1}); err != nil {
		return err
	}
	for found := range of.s.Found {
		if found.Err == nil || found.ID == "" {
			return found.Err
		}
	}
	return t.noteOthers(ctx, of)
}

// noteOthers prints what would find something, where a search has found nothing.
func (t *terminal) noteOthers(ctx context.Context, of question) error {
	if t.quiet {
		return nil
	}
	if of.text != "" && !of.o.regex {
		if err := t.noteTyped(ctx, of); err != nil {
			return err
		}
	}
	if !of.s.FromIndex() {
		return nil // each further search would look at each record
	}
	if err := t.noteVariables(ctx, of); err != nil {
		return err
	}
	if err := t.noteWanted(ctx, of); err != nil {
		return err
	}
	if err := t.noteEarlier(ctx, of); err != nil {
		return err
	}
	return t.noteCleared(ctx, of)
}

// noteOperators prints which words of a query that has found something were probably meant to join
// or to exclude others.
func (t *terminal) noteOperators(of question) error {
	if t.quiet || of.text == "" || of.o.regex {
		return nil
	}
	typed, err := parseQuery(of.text, false)
	if err != nil {
		return err
	}
	t.noteDoubts(of, typed.Operators(of.text))
	return nil
}

func (t *terminal) noteDoubts(of question, doubts []query.Doubt) {
	for i, d := range doubts {
		note := fmt.Sprintf("%q was searched for as text; did you mean %s?", d.Typed, safe.Line(d.Meant))
		if i == len(doubts)-1 {
			note += t.suggestion(of, query.WithConditions(of.text, doubts))
		}
		t.note("%s", note)
	}
}

// noteTyped prints which conditions, expressions and words the user probably meant.
func (t *terminal) noteTyped(ctx context.Context, of question) error {
	typed, err := parseQuery(of.text, false)
	if err != nil {
		return err
	}
	options := queryOptions(false)
	doubts := typed.Doubts(of.text, options)
	t.noteDoubts(of, doubts)
	if typed.MeantRegex(of.text, options) {
		with := of
		with.o.regex, with.asks = true, []string{"search"}
		t.note("Words are regular expressions with --regex alone.%s", t.suggestion(with, of.text))
	}
	all := slices.DeleteFunc(typed.Words(), func(w query.Word) bool {
		return slices.ContainsFunc(doubts, func(d query.Doubt) bool {
			return slices.ContainsFunc(w.Places, func(at [2]int) bool { return d.Place[0] <= at[0] && at[1] <= d.Place[1] })
		})
	})
	return t.noteMeant(ctx, of, all)
}

// maxVariables is of how many variables is said that no run has them.
const maxVariables = 3

// noteVariables prints which variables that a query asks for are of no run.
func (t *terminal) noteVariables(ctx context.Context, of question) error {
	names := of.q.Variables()
	for _, name := range names[:min(len(names), maxVariables)] {
		if n, err := of.count(ctx, query.Variable(name), tasks.SearchOptions{AllRuns: true}, 1); n > 0 || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if upper := strings.ToUpper(name); upper != name {
			n, err := of.count(ctx, query.Variable(upper), tasks.SearchOptions{AllRuns: true}, 1)
			if err != nil {
				return err
			}
			if n > 0 {
				t.note("No run has the variable %.80q; did you mean env:%s?", name, safe.Bounded(upper))
				continue
			}
		}
		t.note("No run has the variable %.80q; the setting run.env lists those that are recorded.", name)
	}
	return nil
}

// noteWanted prints which groups, parameters and metrics that a query asks for are of no run, and which of them was probably meant.
func (t *terminal) noteWanted(ctx context.Context, of question) error {
	words := map[string]string{"param": "has the parameter", "metric": "has the metric", query.GroupKind: "belongs to the group"}
	list := of.q.Wanted()
	for _, one := range list[:min(len(list), maxVariables)] {
		n, err := of.count(ctx, query.Having(one), tasks.SearchOptions{AllRuns: true}, 1)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		meant, err := of.nearName(ctx, one)
		if err != nil {
			return err
		}
		if meant != "" {
			t.note("No run %s %.100q; did you mean %s?", words[one.Kind], one.Name, safe.Bounded(query.Wanted{Kind: one.Kind, Name: meant}.String()))
			continue
		}
		t.note("No run %s %.100q.", words[one.Kind], one.Name)
	}
	return nil
}

// nearName returns the name of a group, a parameter or a metric that was probably meant by one that no run has, "" if there is none.
func (of question) nearName(ctx context.Context, one query.Wanted) (string, error) {
	names, err := of.s.Names(ctx, one.Kind)
	if err != nil {
		return "", err
	}
	recent, err := of.recentNames(ctx, one.Kind)
	return nearest(one.Name, append(names, recent...)), err
}

// mostRecent is in how many of the newest tasks names are looked for that the index does not have yet.
const mostRecent = 200

// recentNames returns the names of groups, parameters or metrics of the newest tasks.
func (of question) recentNames(ctx context.Context, kind string) (names []string, err error) {
	s, err := of.hist.Search(ctx, new(query.Query), tasks.SearchOptions{Sort: tasks.SortCreated, Texts: true})
	if err != nil {
		return nil, err
	}
	n := 0
	for f := range s.Found {
		switch {
		case f.Err != nil && f.ID == "":
			return nil, f.Err
		case f.Err == nil:
			names = append(names, query.NamesOf(kind, f.Record)...)
		}
		if n++; n == mostRecent {
			break
		}
	}
	return names, nil
}

// nearest returns the name that was probably meant by another one, "" if there is none.
func nearest(typed string, names []string) string {
	if i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, typed) }); i >= 0 {
		return names[i]
	}
	return near.Best(typed, names)
}

// maxEarlier is up to which number earlier runs, and tasks that were cleared, are counted.
const maxEarlier = 100

// noteEarlier prints how many earlier runs of tasks match a query.
func (t *terminal) noteEarlier(ctx context.Context, of question) error {
	if of.o.allRuns {
		return nil
	}
	n, err := of.count(ctx, of.q, tasks.SearchOptions{AllRuns: true, EarlierOnly: true}, maxEarlier)
	if err != nil || n == 0 {
		return err
	}
	of.o.allRuns, of.asks = true, []string{"search"}
	t.note("%s: --all-runs%s", matching(n, "earlier run"), t.suggestion(of, of.text))
	return nil
}

// noteCleared prints how many tasks that were cleared match a query.
func (t *terminal) noteCleared(ctx context.Context, of question) error {
	n, err := of.count(ctx, of.q, tasks.SearchOptions{Cleared: true, AllRuns: of.o.allRuns}, maxEarlier)
	if err != nil || n == 0 {
		return err
	}
	of.o.cleared, of.asks = true, []string{"search"}
	t.note("%s: --cleared%s", matching(n, "cleared task"), t.suggestion(of, of.text))
	return nil
}

// matching says that n things match, or at least maxEarlier.
func matching(n int, thing string) string {
	switch n {
	case 1:
		return "1 " + thing + " matches"
	case maxEarlier:
		return fmt.Sprintf("At least %d %ss match", n, thing)
	}
	return fmt.Sprintf("%d %ss match", n, thing)
}

// count returns how many runs match a query, most at most. One that cannot be read matches none.
func (of question) count(ctx context.Context, q *query.Query, o tasks.SearchOptions, most int) (n int, err error) {
	o.Sort = tasks.SortCreated // the one without cost
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
// user probably meant.
func (t *terminal) noteMeant(ctx context.Context, of question, words []query.Word) error {
	list, err := of.s.Mean(ctx, words)
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
		note := fmt.Sprintf("%q is in no task", m.Typed(of.text))
		if m.Field != "" {
			note = fmt.Sprintf("%q is in no task's %s", m.Typed(of.text), m.Field)
		}
		switch {
		case m.Near != "":
			note += fmt.Sprintf("; did you mean %s?", safe.Line(m.Near))
		case m.Alone && of.o.saved == "":
			continue // that has been said
		default:
			note += "."
		}
		if i == last {
			note += t.suggestion(of, query.Corrected(of.text, list))
		}
		t.note("%s", note)
	}
	return nil
}

// suggestion returns a command line that asks another query with the same scope, in
// parentheses; "" where a terminal would not show it as it is, or where it is no query.
func (t *terminal) suggestion(of question, text string) string {
	words := slices.Clone(of.asks)
	if of.o.regex {
		words = append(words, "--regex")
	}
	if of.o.allRuns {
		words = append(words, "--all-runs")
	}
	if of.o.cleared {
		words = append(words, "--cleared")
	}
	if of.o.saved != "" {
		words = append(words, "--saved", of.o.saved)
	}
	if len(text) > maxSuggested || safe.Line(text) != text {
		return ""
	}
	if text != "" {
		if _, err := parseQuery(text, of.o.regex); err != nil {
			return ""
		}
	}
	dash := strings.HasPrefix(text, "-")
	switch {
	case text == "":
	case dash && of.search():
		words = append(words, "--", text)
	case dash: // the last word is an option that has it as its value
		words[len(words)-1] += "=" + text
	default:
		words = append(words, text)
	}
	return " (" + t.line(words...) + ")"
}
