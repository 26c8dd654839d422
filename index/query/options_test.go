package query_test

import (
	"strings"
	"testing"
	"time"

	"qme/index/query"
	"qme/record"
)

// TestOptions shows what the conditions of options find, and that the index is asked for it.
func TestOptions(t *testing.T) {
	t.Parallel()
	d := example()
	var notes record.Notes
	notes.Tags = []string{"Paper"}
	d.Record.Notes = &notes
	since := func(when string) *query.Query {
		at, err := query.Time(when, query.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return query.Since(at)
	}
	for name, test := range map[string]struct {
		q    *query.Query
		want bool
	}{
		"there":        {query.Below("/home/ada/proj/a"), true},
		"above":        {query.Below("/home/ada"), true},
		"root":         {query.Below("/"), true},
		"below":        {query.Below("/home/ada/proj/a/b"), false},
		"a beginning":  {query.Below("/home/ada/pro"), false},
		"one of two":   {query.Below("/elsewhere", "/home/ada"), true},
		"none of two":  {query.Below("/elsewhere", "/home/adam"), false},
		"tag":          {query.Tagged("paper"), true},
		"other tag":    {query.Tagged("pape"), false},
		"since":        {since("2026-11-23"), true},
		"since later":  {since("2026-11-24"), false},
		"both":         {query.All(query.Below("/home"), query.Tagged("PAPER"), since("2026")), true},
		"one of three": {query.All(query.Below("/home"), query.Tagged("x"), since("2026")), false},
	} {
		if got := test.q.Match(d); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		} else if got && !admits(test.q.Plan(), d) {
			t.Errorf("%s: the index is not asked for this run: %s", name, shown(test.q.Plan()))
		} else if test.q.Plan() == nil {
			t.Errorf("%s: the index is not asked", name)
		}
	}
	for when, want := range map[string]string{"soon": `takes a time such as 2026-11-01, `, "": `not ""`, "3 hours ago": "did you mean 3h?", "9:30": "did you mean today 9:30?"} {
		if _, err := query.Time(when, query.Options{Now: time.Now()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", when, err, want)
		}
	}
}
