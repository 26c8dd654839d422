package cli

import (
	"context"
	"fmt"

	"qme/index/query"
	"qme/internal/safe"
	"qme/tasks"
)

// maxSuggested is how long a query is at most, in bytes, that is repeated with other words.
const maxSuggested = 500

// noteMeant prints which words of a query that finds nothing are in no task, and those that
// were probably meant. text is what was typed of the query.
func (cmd *searchCommand) noteMeant(ctx context.Context, s *tasks.Search, text string, o searchOptions) error {
	if cmd.term.quiet || o.regex || text == "" {
		return nil
	}
	typed, err := parseQuery(text, false)
	if err != nil {
		return err
	}
	list, err := s.Mean(ctx, typed.Words())
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
	if o.allRuns {
		words = append(words, "--all-runs")
	}
	if o.saved != "" {
		words = append(words, "--saved", o.saved)
	}
	if text[0] == '-' {
		words = append(words, "--")
	}
	if len(text) > maxSuggested || safe.Line(text) != text {
		return ""
	}
	return " (" + cmd.term.line(append(words, text)...) + ")"
}
