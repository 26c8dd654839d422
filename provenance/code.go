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
	all, moves := [][]string{c.Argv}, false
	if line, _, ok := commandLine(c.Argv); ok {
		l, file := parseLine(line, c, time.Now().Add(beginning))
		if l == nil {
			return nil
		}
		all, moves = calls(l, file), l.moves
	}
	for _, words := range all {
		path := programs.script(words, moves)
		if len(list) < record.MostPrograms && path != "" && !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	return list
}

// script returns the file that has the code of a simple command, "" if that is not known. moves says
// that relative names may be others.
func (p *programs) script(words []string, moves bool) string {
	for i := 0; i < 5 && len(words) > 0; i++ {
		next := wrapped(words)
		if len(next) == 0 {
			break
		}
		words = next
	}
	if len(words) == 0 {
		return ""
	}
	name := strings.TrimRight(filepath.Base(words[0]), "0123456789.")
	i, known := interpreters[name]
	if !known {
		if one := p.find(words[0]); one != nil {
			return one.real
		}
		return ""
	}
	path := i.script(words[1:])
	if path == "" || moves && !filepath.IsAbs(path) {
		return ""
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.c.Dir, path)
	}
	real, err := filepath.EvalSymlinks(path)
	if s, serr := stateOf(real); err != nil || serr != nil || s == nil {
		return ""
	}
	return real
}

// An interpreter is a program that runs a script which is one of its words.
type interpreter struct {
	inline string // options of one letter after which there is no script
	valued string // options of one letter that have a value, which may be the next word
	long   string // the same for long options, each between blanks
}

// interpreters are the interpreters by the names of their programs, without a version at the end.
var interpreters = map[string]interpreter{
	"python": {inline: "cm", valued: "WXQ", long: " --check-hash-based-pycs "}, "pypy": {inline: "cm", valued: "WX"},
	"sh": shellOptions, "bash": shellOptions, "dash": shellOptions, "ksh": shellOptions, "zsh": shellOptions,
	"Rscript": {inline: "e"}, "julia": {inline: "eE", valued: "JLpthOCgH"}, "octave": {valued: "p"}, "lua": {inline: "e", valued: "l"},
	"perl": {inline: "eE", valued: "I"}, "ruby": {inline: "e", valued: "rICEFTWx"}, "php": {inline: "rBRE", valued: "cdz"},
	"node": {inline: "ep", valued: "r", long: " --require --import --loader "}, "nodejs": {inline: "ep", valued: "r"},
}

var shellOptions = interpreter{inline: "cs", valued: "oO", long: " --rcfile --init-file "}

// script returns the word that is the script among those after the name of the interpreter, "" for
// none.
func (i interpreter) script(words []string) string {
	for ; len(words) > 0; words = words[1:] {
		word := words[0]
		switch {
		case word == "--" && len(words) > 1:
			return words[1]
		case word == "-" || word == "--":
			return ""
		case strings.HasPrefix(word, "--"):
			if strings.Contains(i.long, " "+word+" ") {
				words = words[min(1, len(words)-1):]
			}
		case word[:min(1, len(word))] == "-" || word[:min(1, len(word))] == "+": // shells know both
			inline, takes := i.short(word[1:])
			if inline {
				return ""
			}
			if takes {
				words = words[min(1, len(words)-1):]
			}
		default:
			return word
		}
	}
	return ""
}

// short reads a word with options of one letter: whether there is no script after it, and whether
// the next word is a value.
func (i interpreter) short(letters string) (inline, takes bool) {
	for at, letter := range letters {
		switch {
		case strings.ContainsRune(i.inline, letter):
			return true, false
		case strings.ContainsRune(i.valued, letter):
			return false, at+len(string(letter)) == len(letters)
		}
	}
	return false, false
}
