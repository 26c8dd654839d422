package shellline_test

import (
	"slices"
	"testing"

	"qme/internal/shellline"
)

// The command line is what follows -c, whatever options stand with it.
func TestCommand(t *testing.T) {
	for _, c := range []struct {
		args []string
		line string
		rest []string
		ok   bool
	}{
		{[]string{"-c", "a b"}, "a b", nil, true},
		{[]string{"-l", "-ec", "a", "sh", "x"}, "a", []string{"sh", "x"}, true},
		{[]string{"-c"}, "", nil, false},
		{[]string{"-o", "errexit", "-c", "a"}, "", nil, false},
		{[]string{"script", "-c", "a"}, "", nil, false},
		{[]string{"--norc", "-c", "a"}, "", nil, false},
		{nil, "", nil, false},
	} {
		line, rest, ok := shellline.Command(c.args)
		if line != c.line || !slices.Equal(rest, c.rest) || ok != c.ok {
			t.Errorf("%q: %q, %q, %v", c.args, line, rest, ok)
		}
	}
}

// Shells are known by their names, in any folder.
func TestIsShell(t *testing.T) {
	for program, want := range map[string]bool{"sh": true, "/usr/bin/bash": true, "fish": false, "": false} {
		if shellline.IsShell(program) != want {
			t.Errorf("%q is a shell: %v", program, !want)
		}
	}
}
