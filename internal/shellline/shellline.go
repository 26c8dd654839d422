// Package shellline reads the command lines that shells are called with, without running them.
package shellline

import (
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// shells are programs that run the command line after -c in the language of sh.
var shells = []string{"sh", "bash", "dash", "ksh", "zsh"}

// IsShell reports whether a program, given by its name or path, is a shell whose command lines are
// read.
func IsShell(program string) bool { return slices.Contains(shells, filepath.Base(program)) }

// Command returns the command line in the arguments of a shell that is called with -c, and the
// arguments after it. ok is false if there is none, or an option before it takes a value.
func Command(args []string) (line string, rest []string, ok bool) {
	for i, arg := range args {
		switch {
		case len(arg) < 2 || arg[0] != '-' || arg[1] == '-':
			return "", nil, false
		case strings.Contains(arg, "c"):
			if i+1 < len(args) {
				return args[i+1], args[i+2:], true
			}
			return "", nil, false
		case strings.Contains(arg, "o"):
			return "", nil, false
		}
	}
	return "", nil, false
}

// Parse returns the syntax of a command line, as Bash reads it.
func Parse(line string, options ...syntax.ParserOption) (*syntax.File, error) {
	return syntax.NewParser(append(options, syntax.Variant(syntax.LangBash))...).Parse(strings.NewReader(line), "")
}
