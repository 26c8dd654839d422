package cli

import "testing"

func TestSaid(t *testing.T) {
	for text, want := range map[string]string{
		"@4: there are only 3 tasks: not found":                    "@4: there are only 3 tasks",
		"there is no command to run: invalid":                      "there is no command to run",
		"no task is recorded yet: not found":                       "no task is recorded yet",
		`"@0": @ takes a number from 1: not a reference to a task`: `"@0": @ takes a number from 1`,
		"task shell-01 is running: conflict":                       "task shell-01 is running",
		"a: its file is missing: corrupt: invalid":                 "a: its file is missing",
		`task "01a2": not found`:                                   `task "01a2": not found`,
		`task "a b: c": not found`:                                 `task "a b: c": not found`,
		"commit 0a1b: invalid":                                     "commit 0a1b: invalid",
		`task "zz" (an id begins as in 019aaf3c): not found`:       `task "zz" (an id begins as in 019aaf3c): not found`,
		"task a is running: conflict (\"x\" ends it)":              "task a is running (\"x\" ends it)",
		"one is gone: not found\ntwo is gone: not found":           "one is gone\ntwo is gone",
		"a: b: not found":                                          "a: b: not found",
		"invalid: a database is x":                                 "a database is x",
		"the mirror does not follow: invalid: the URL":             "the mirror does not follow: the URL",
		"not found": "not found",
	} {
		if got := said(text); got != want {
			t.Errorf("said(%q) = %q, want %q", text, got, want)
		}
	}
}
