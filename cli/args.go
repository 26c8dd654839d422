package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/internal/near"
	"qme/internal/safe"
)

// arrange rewrites a command line for the parser, which needs each option in a word of
// its own. As with getopt, -qm TEXT, -qmTEXT and -n5 are short options that share a word
// with other options or with their value. Mistakes in options are reported here, where
// the words are still known as typed. The words of a command to run are left alone.
// named is the command that the line names, root if there is none.
func arrange(root *cli.Command, argv []string) (line []string, named *cli.Command, err error) {
	p := &arranger{command: root, root: root, rest: argv[1:], out: argv[:1:1]}
	if err = p.arrange(); err == nil {
		err = p.needless()
	}
	return p.out, p.command, err
}

// An arranger is a command line that is being read; rest are the words not yet read.
type arranger struct {
	root, command *cli.Command
	rest, out     []string
	// positional are arguments of the command. They are put after its options.
	positional []string
	help       bool              // --help came before the command
	helped     bool              // --help came behind the command
	wants      cli.Flag          // the option whose value is missing at the end, if any
	once       []*cli.StringFlag // the options that were given
}

func (p *arranger) arrange() error {
	for len(p.rest) > 0 && !p.command.SkipFlagParsing {
		word := p.next()
		switch {
		case word == "--":
			if p.command == p.root && len(p.rest) > 0 && p.root.Command(p.rest[0]) != nil {
				continue // qme -- ls
			}
			p.command.Metadata = map[string]any{beforeDashes: len(p.positional)}
			p.end()
			return nil
		case len(word) > 1 && word[0] == '-':
			if err := p.option(word); err != nil {
				return err
			}
		case p.command == p.root && p.help && word == "help":
			continue
		case p.command == p.root && p.help:
			p.out, p.rest = p.out[:1:1], append([]string{word}, p.rest...)
			if p.helpOf() {
				return nil
			}
			return unknownCommand(p.root, p.rest)
		case p.command == p.root && p.root.Command(word) != nil:
			p.command = p.root.Command(word)
			p.out = append(p.out, word)
		case p.command == p.root && word == "help" && p.helpOf():
			return nil
		default:
			p.positional = append(p.positional, word)
			if p.command == p.root || p.command.StopOnNthArg != nil {
				p.end()
				return nil
			}
		}
	}
	if p.command.SkipFlagParsing {
		p.out = append(p.out, p.rest...)
		return nil
	}
	p.end()
	return nil
}

// helpOf turns "help COMMAND" into "COMMAND --help" and reports whether the command
// exists. Further words are dropped: in other programs "help config set" names a
// subcommand.
func (p *arranger) helpOf() bool {
	if len(p.rest) == 0 {
		return false
	}
	c := p.root.Command(p.rest[0])
	if c == nil || c.Hidden {
		return false
	}
	p.out, p.rest = append(p.out, c.Name, "--help"), nil
	return true
}

func (p *arranger) next() string {
	word := p.rest[0]
	p.rest = p.rest[1:]
	return word
}

// end takes the remaining words as arguments. The library takes those beside --help for subcommands, so they are left
// out, as by helpOf.
func (p *arranger) end() {
	if p.positional = append(p.positional, p.rest...); len(p.positional) > 0 && !p.helped {
		p.out = append(append(p.out, "--"), p.positional...)
	}
	p.rest = nil
}

// option reads a word that begins with a dash, and its value.
func (p *arranger) option(word string) error {
	typed, value, hasValue := strings.Cut(word, "=")
	name := strings.TrimLeft(typed, "-")
	dashes := len(typed) - len(name)
	if f := p.find(name); f != nil && dashes <= 2 {
		return p.add(f, typed, value, hasValue)
	}
	if dashes > 1 {
		return p.unknown(typed, typed)
	}
	return p.cluster(word)
}

// cluster reads short options that share a word. The first one that takes a value takes
// the rest of the word or, if that is empty, the next word.
func (p *arranger) cluster(word string) error {
	for i, c := range word {
		if i == 0 {
			continue
		}
		f, typed, rest := p.find(string(c)), "-"+string(c), word[i+len(string(c)):]
		if f == nil {
			return p.unknown(typed, word)
		}
		if _, isBool := f.(*cli.BoolFlag); !isBool {
			return p.add(f, typed, strings.TrimPrefix(rest, "="), rest != "")
		}
		if value, ok := strings.CutPrefix(rest, "="); ok {
			return p.add(f, typed, value, true)
		}
		if err := p.add(f, typed, "", false); err != nil {
			return err
		}
	}
	return nil
}

// add appends an option to the output after checking its value.
func (p *arranger) add(f cli.Flag, typed, value string, hasValue bool) error {
	_, isBool := f.(*cli.BoolFlag)
	if !isBool && !hasValue {
		if len(p.rest) == 0 {
			p.wants = f
			return p.usage("%s needs a value", typed)
		}
		value = p.next()
	}
	if p.command == p.root && slices.Contains(f.Names(), "help") {
		p.help = true
	}
	switch f := f.(type) {
	case *cli.BoolFlag:
		if _, err := strconv.ParseBool(value); hasValue && err != nil {
			return p.usage("%s takes no value, but was given %q", typed, value)
		}
		if !hasValue {
			value = "true"
		}
		if p.command != p.root && f == cli.HelpFlag {
			p.helped, _ = strconv.ParseBool(value) // checked above
		}
	case *cli.IntFlag:
		if value == none && slices.Contains([]string{"edit", "add", "sweep"}, p.command.Name) { // all of theirs are conditions
			value = "0"
		}
		n, err := strconv.Atoi(value)
		if errors.Is(err, strconv.ErrRange) {
			return p.usage("%s cannot be as large as %s", typed, safe.Shorten(value, longestQuoted))
		}
		if err != nil {
			return p.usage("%s needs a number, not %s", typed, quoted(value))
		}
		value = strconv.Itoa(n) // the parser would read 010 as 8
	case *cli.StringFlag:
		if f.OnlyOnce && slices.Contains(p.once, f) {
			return p.usage("%s can be given once", typed)
		}
		p.once = append(p.once, f)
		if f.Name == "color" && !slices.Contains([]string{"always", "auto", "never"}, value) {
			return p.usage("%s takes always, auto or never, not %q", typed, value)
		}
		if what := neverEmpty(f); what != "" && value == "" {
			return p.usage("%s needs a %s, and was given nothing, as by a variable that is not set", typed, what)
		}
	}
	p.out = append(p.out, "--"+f.Names()[0]+"="+value)
	return nil
}

// neverEmpty returns a noun for the value of an option that must not be empty, "" for
// other options.
func neverEmpty(f *cli.StringFlag) string {
	if f.TakesFile {
		return "path"
	}
	if f.Name == "host" || f.Name == "user" {
		return "name"
	}
	return ""
}

// beforeDashes is under which the metadata of a command say how many arguments stand before --, if that was
// typed.
const beforeDashes = "before --"

// messageOption is an option of all commands that means something to a few of them. Elsewhere it
// would swallow a word that begins with -m, such as a condition of a query.
const messageOption = "message"

// seeNote names what gives words to a task that is there.
const seeNote = "\"qme note TASK TEXT\" writes a note on a task that is there"

// makesRuns reports whether a command makes a run, which can have a message.
func makesRuns(c *cli.Command) bool {
	return slices.Contains([]string{"run", "rerun", "add", "sweep"}, c.Name)
}

// hideMessage leaves -m out of the help of a command to which it means nothing.
func hideMessage(root, named *cli.Command) {
	for _, f := range root.Flags {
		if f, ok := f.(*cli.StringFlag); ok && f.Name == messageOption && named != root && !makesRuns(named) {
			f.Hidden = true
		}
	}
}

// needless returns an error if an option was given before a command to which it means nothing.
func (p *arranger) needless() error {
	isMessage := func(f *cli.StringFlag) bool { return f.Name == messageOption }
	if p.command == p.root || p.command.Hidden || makesRuns(p.command) || !slices.ContainsFunc(p.once, isMessage) {
		return nil
	}
	return p.usage("-m gives a run its message, and \"qme %s\" makes none; %s", p.command.Name, seeNote)
}

// flags returns the flags that the command takes: its own, and those of all commands.
func (p *arranger) flags() []cli.Flag {
	flags := slices.Concat(p.command.Flags, []cli.Flag{cli.HelpFlag})
	if p.command == p.root {
		return append(flags, cli.VersionFlag)
	}
	for _, f := range p.root.Flags {
		if makesRuns(p.command) || f.Names()[0] != messageOption {
			flags = append(flags, f)
		}
	}
	return flags
}

func (p *arranger) find(name string) cli.Flag {
	for _, f := range p.flags() {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// unknown returns the error for an option that does not exist; word is the word that
// contains it, alone or with other options. A word with a blank may be a query.
func (p *arranger) unknown(typed, word string) error {
	if p.command.Name == "search" && strings.HasPrefix(word, typed) && strings.Contains(word, " ") {
		p.positional = append(p.positional, word) // no option: a query that begins with "not"
		return nil
	}
	msg := "unknown option " + typed
	if word != typed {
		msg += " in " + word
	}
	var names []string
	for _, f := range p.flags() {
		for _, name := range f.Names() {
			if len(name) > 1 {
				names = append(names, name)
			}
		}
	}
	name := strings.TrimLeft(word, "-")
	if (typed == "-m" || typed == "--"+messageOption) && p.command.Name != "search" {
		return p.usage("%s; it gives the runs of \"qme run\", \"rerun\", \"add\" and \"sweep\" their message; %s", msg, seeNote)
	}
	if hint := otherOptions[p.command.Name][strings.TrimLeft(typed, "-")]; hint != "" {
		msg += "; " + hint
	} else if _, err := strconv.Atoi(name); err == nil && p.find("n") != nil {
		msg += "; did you mean -n " + name + "?"
	} else if best := cmp.Or(near.Best(name, names), begun(name, names)); best != "" {
		msg += "; did you mean --" + best + "?"
	}
	if p.command.Name == "search" && !strings.Contains(msg, "; ") {
		msg += "; words that begin with a dash go behind --, or into one argument behind another word"
	}
	return p.usage("%s", msg)
}

// begun returns the only one of names that begins with name, "" if there is none or more
// than one.
func begun(name string, names []string) string {
	var found []string
	for _, n := range names {
		if len(name) > 1 && strings.HasPrefix(n, name) && !slices.Contains(found, n) {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

func (p *arranger) usage(format string, args ...any) error {
	help := "qme --help"
	if p.command != p.root {
		help = "qme " + p.command.Name + " --help"
	}
	return &usageError{msg: fmt.Sprintf(format, args...), help: help}
}
