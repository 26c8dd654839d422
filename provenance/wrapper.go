package provenance

import (
	"path/filepath"
	"strings"
)

// options are those of a program which stand before its first word that is none.
type options struct {
	last   string // those of one letter after which no such word is looked for
	valued string // those of one letter that have a value, which may be the next word
	long   string // the same for long options, each between blanks
}

// rest returns the words from the first on that is no option, nil for none.
func (o options) rest(words []string) []string {
	for ; len(words) > 0; words = words[1:] {
		word := words[0]
		switch {
		case word == "--":
			return words[1:]
		case strings.HasPrefix(word, "--"):
			if strings.Contains(o.long, " "+word+" ") {
				words = words[min(1, len(words)-1):]
			}
		case len(word) > 1 && (word[0] == '-' || word[0] == '+'): // shells know both
			last, takes := o.short(word[1:])
			if last {
				return nil
			}
			if takes {
				words = words[min(1, len(words)-1):]
			}
		default:
			return words
		}
	}
	return nil
}

// short reads a word with options of one letter: whether it is the last that counts, and whether
// the next word is a value.
func (o options) short(letters string) (last, takes bool) {
	for at, letter := range letters {
		switch {
		case strings.ContainsRune(o.last, letter):
			return true, false
		case strings.ContainsRune(o.valued, letter):
			return false, at+len(string(letter)) == len(letters)
		}
	}
	return false, false
}

// A wrapper is a program, or a word of the shell, that runs the command which its further words are.
type wrapper struct {
	options
	words   int  // how many words of its own stand before the command
	assigns bool // variables stand before it, too
}

// wrappers are the wrappers by their names. Their last options are those with which they work on a
// process, or only print something.
var wrappers = map[string]wrapper{
	"command": {options: options{last: "vV"}},
	"exec":    {options: options{valued: "a"}},

	"env":    {options: options{valued: "aCPu", long: " --argv0 --chdir --unset "}, assigns: true},
	"nohup":  {},
	"setsid": {},
	"stdbuf": {options: options{valued: "eio", long: " --error --input --output "}},
	"time":   {options: options{valued: "fo", long: " --format --output "}},

	"caffeinate": {options: options{valued: "tw"}},
	"chrt":       {options: options{last: "mp", valued: "DPT", long: " --sched-deadline --sched-period --sched-runtime "}, words: 1},
	"flock":      {options: options{valued: "Ew", long: " --conflict-exit-code --timeout --wait "}, words: 1},
	"ionice":     {options: options{last: "Ppu", valued: "cn", long: " --class --classdata "}},
	"nice":       {options: options{valued: "n", long: " --adjustment "}},
	"numactl":    {options: options{last: "Hs", valued: "CNPimpw", long: " --cpunodebind --interleave --membind --physcpubind --preferred --preferred-many --weighted-interleave "}},
	"taskset":    {options: options{last: "p"}, words: 1},
	"timeout":    {options: options{valued: "ks", long: " --kill-after --signal "}, words: 1},

	"catchsegv": {},
	"strace": {options: options{valued: "EIOPSUXabeopsu", long: ` --argv0 --attach --columns --const-print-style --decode-pids --env --fault --inject --interruptible
		--kvm --output --read --signal --status --string-limit --summary-columns --summary-sort-by --summary-syscall-overhead --trace --trace-path --user --write `}},
	"xvfb-run": {options: options{valued: "efnpsw", long: " --auth-file --error-file --server-args --server-num --wait --xauth-protocol "}},
}

// wrapped returns the command that a command runs in its own place, or beside itself; nil for none.
func wrapped(words []string) []string {
	w, known := wrappers[filepath.Base(words[0])]
	if !known {
		return nil
	}
	words = w.rest(words[1:])
	// The options of env can stand between variables in the first line of a script.
	for w.assigns && len(words) > 0 && (words[0] == "-" || strings.Contains(words[0], "=")) {
		words = w.rest(words[1:])
	}
	words = words[min(w.words, len(words)):]
	if len(words) == 0 || strings.HasPrefix(words[0], "-") { // as the line for a shell in flock FILE -c LINE
		return nil
	}
	return words
}
