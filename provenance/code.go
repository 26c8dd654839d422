package provenance

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/internal/intime"
	"qme/internal/panics"
	"qme/record"
)

// Scripts returns the files that have the code of a command: for an interpreter its script, otherwise
// the program, and so for each simple command of a line for the shell. They are without symbolic
// links, and at most record.MostPrograms. None of them is opened. It returns nil if they cannot be
// looked at in time.
func Scripts(c Command) []string {
	list, _ := intime.Within(beginning, func() (list []string) {
		// What was typed must never keep the command from running.
		if err := panics.Catch(func() error { list = scripts(c); return nil }); err != nil {
			return nil
		}
		return list
	})
	return list
}

func scripts(c Command) (list []string) {
	programs := newPrograms(c)
	for _, one := range c.calls() {
		if len(one.words) == 0 {
			continue
		}
		path := programs.script(one)
		if len(list) < record.MostPrograms && path != "" && !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	return list
}

// calls returns the simple commands of a command, none if it is a line of a shell that cannot be read.
func (c Command) calls() []call {
	line, _, ok := commandLine(c.Argv)
	if !ok {
		return []call{{words: c.Argv}}
	}
	l, file := parseLine(line, c, time.Now().Add(beginning))
	if l == nil {
		return nil
	}
	return calls(l, file)
}

// script returns the file that has the code of a simple command, "" if that is not known.
func (p *programs) script(c call) string {
	path, interpreted := c.interpreted(p.c.Dir)
	if !interpreted {
		if one := p.find(c.inner().program()); one != nil {
			return one.real
		}
		return ""
	}
	real, err := filepath.EvalSymlinks(path)
	if s, serr := stateOf(real); err != nil || serr != nil || s == nil {
		return ""
	}
	return real
}

// inner returns the call that runs in the end, in the place of those that wrap it.
func (c call) inner() call {
	for range mostWrappers {
		next := c.wrapped()
		if len(next.words) == 0 {
			break
		}
		c = next
	}
	return c
}

// interpreted reports whether a simple command in dir runs an interpreter, and returns the path of its
// script as the words have it; "" if there is none, or it is not known.
func (c call) interpreted(dir string) (path string, ok bool) {
	c = c.inner()
	name := strings.TrimRight(filepath.Base(c.words[0]), "0123456789.")
	i, known := interpreters[name]
	if !known {
		return "", false
	}
	rest := i.rest(c.words[1:])
	if len(rest) == 0 || rest[0] == "-" {
		return "", true
	}
	return absolute(dir, c.at(rest[0])), true
}

// script returns the path of the file that has the code of a simple command in dir, as interpreted does;
// of what is no interpreter, the program if its words name it with a folder.
func (c call) script(dir string) string {
	if len(c.words) == 0 {
		return ""
	}
	path, ok := c.interpreted(dir)
	if program := c.inner().program(); !ok && strings.Contains(program, "/") {
		return absolute(dir, program)
	}
	return path
}

// absolute returns a path in dir as an absolute one, "" for "".
func absolute(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// interpreters are the programs that run a script which is one of their words, by their names without
// a version at the end. After their last options there is none.
var interpreters = map[string]options{
	"python": {last: "cm", valued: "WXQ", long: " --check-hash-based-pycs "}, "pypy": {last: "cm", valued: "WX"},
	"sh": shellOptions, "bash": shellOptions, "dash": shellOptions, "ksh": shellOptions, "zsh": shellOptions,
	"Rscript": {last: "e"}, "julia": {last: "eE", valued: "JLpthOCgH"}, "octave": {valued: "p"}, "lua": {last: "e", valued: "l"},
	"perl": {last: "eE", valued: "I"}, "ruby": {last: "e", valued: "rICEFTWx"}, "php": {last: "rBRE", valued: "cdz"},
	"node": {last: "ep", valued: "r", long: " --require --import --loader "}, "nodejs": {last: "ep", valued: "r"},
}

var shellOptions = options{last: "cs", valued: "oO", long: " --rcfile --init-file "}
