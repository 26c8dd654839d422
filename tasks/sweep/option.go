package sweep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks/options"
)

// SetOptions returns the words of a command in which options have other values: --lr 0.1, --lr=0.1, -n 0.1, -n5 and, as hydra has it,
// lr=0.1. An option --learning-rate is named learning_rate: see options.Name. In a line of a shell (sh -c LINE) values are quoted, so that the shell takes
// each as it is, and only what is a word without anything that the shell replaces can be changed. The error wraps ErrInvalid if an option
// does not occur, or more than once, or cannot be changed, and says which ones can.
func SetOptions(words []string, values record.Params) ([]string, error) {
	at, all, err := optionsOf(words)
	if err != nil {
		return nil, err
	}
	chosen := make(map[*option]string, len(values))
	for _, v := range values {
		o, err := find(all, v.Name)
		if err != nil {
			return nil, err
		}
		chosen[o] = v.Value
	}
	words = slices.Clone(words)
	if at < 0 {
		for o, value := range chosen {
			words[o.word] = o.before + value
		}
		return words, nil
	}
	words[at], err = setInLine(words[at], all, chosen)
	return words, err
}

// Option returns the value that an option has in the words of a command. ok is false unless SetOptions can change it.
func Option(words []string, name string) (value string, ok bool) {
	_, all, err := optionsOf(words)
	if err != nil {
		return "", false
	}
	o, err := find(all, name)
	if err != nil {
		return "", false
	}
	return o.value, true
}

// HasOption reports whether there is an option of that name in the words of a command, also one that SetOptions cannot change.
func HasOption(words []string, name string) bool {
	_, all, err := optionsOf(words)
	return err != nil || slices.ContainsFunc(all, func(o *option) bool { return o.name == name })
}

// An option is a place in a command at which a parameter has its value.
type option struct {
	name       string // by options.Name
	word       int    // which word has the value
	begin, end int    // where that is in a line of a shell
	before     string // what the word has before the value: "--lr="
	value      string
	shells     bool // the shell makes the value, or a part of it
}

// find returns the one option of a name.
func find(all []*option, name string) (*option, error) {
	var found []*option
	var others []string
	for _, o := range all {
		if o.name == name {
			found = append(found, o)
		} else if !o.shells && !slices.Contains(others, o.name) {
			others = append(others, o.name)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("the command has no %s that can be set%s: %w", name, canSet(others), ErrInvalid)
	case len(found) > 1:
		return nil, fmt.Errorf("the command has %s %d times%s: %w", name, len(found), canSet(others), ErrInvalid)
	case found[0].shells:
		return nil, fmt.Errorf("the value of %s is made by the shell%s: %w", name, canSet(others), ErrInvalid)
	}
	return found[0], nil
}

// mostNamed is how many names a message has at most.
const mostNamed = 20

// canSet says which options can be set.
func canSet(names []string) string {
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	more := ""
	if n := len(names) - mostNamed; n > 0 {
		names, more = names[:mostNamed], fmt.Sprintf(" and %d more", n)
	}
	return "; it can be one of " + strings.Join(names, ", ") + more
}

// optionsOf returns the options in the words of a command, and which word is a line of a shell that has them, -1 if none is.
func optionsOf(words []string) (line int, all []*option, err error) {
	if len(words) == 0 {
		return -1, nil, nil
	}
	if at, ok := lineOf(words); ok {
		all, err = optionsInLine(words[at])
		return at, all, err
	}
	args := make([]arg, 0, len(words)-1)
	for i, w := range words[1:] {
		args = append(args, arg{text: w, plain: true, word: i + 1})
	}
	return -1, optionsAmong(args), nil
}

// An arg is an argument of a command.
type arg struct {
	text       string // or, of what is not plain, its beginning
	plain      bool   // the shell replaces nothing in it
	fixed      bool   // it is where nothing can be changed
	word       int
	begin, end int
}

// optionsAmong finds the options among the arguments of one command.
func optionsAmong(args []arg) (all []*option) {
	for i, a := range args {
		if a.plain && options.IsJoined(a.text) {
			all = append(all, a.option(a.text[1:2], a.text[2:]))
			continue
		}
		written, value, joined := strings.Cut(a.text, "=")
		o := a.option(options.Name(written), value)
		if dashes := len(written) - len(strings.TrimLeft(written, "-")); dashes > 2 || CheckName(o.name) != nil {
			continue
		} else if !joined {
			if dashes == 0 || !a.plain || i+1 == len(args) || args[i+1].isOption() {
				continue // a word, or an option without a value
			}
			o = args[i+1].option(o.name, args[i+1].text)
		}
		all = append(all, o)
	}
	return all
}

// option returns the option of which the argument has the value at its end.
func (a arg) option(name, value string) *option {
	return &option{name: name, word: a.word, begin: a.begin, end: a.end, before: a.text[:len(a.text)-len(value)], value: value, shells: !a.plain || a.fixed}
}

// isOption reports whether an argument is an option, and so no value of the one before. A negative number is none.
func (a arg) isOption() bool {
	if len(a.text) < 2 || a.text[0] != '-' {
		return false
	}
	_, err := strconv.ParseFloat(a.text, 64)
	return err != nil
}

// optionsInLine finds the options in the commands of a line of a shell.
func optionsInLine(line string) (all []*option, err error) {
	f, err := parse(line)
	if err != nil {
		return nil, fmt.Errorf("how the shell reads the line is not known: %s: %w", safe.Bounded(err.Error()), ErrInvalid)
	}
	backquoted := 0 // quotes have another meaning there
	var open []bool
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			if open[len(open)-1] {
				backquoted--
			}
			open = open[:len(open)-1]
			return true
		}
		s, is := n.(*syntax.CmdSubst)
		in := is && s.Backquotes
		if in {
			backquoted++
		}
		open = append(open, in)
		if call, is := n.(*syntax.CallExpr); is && len(call.Args) > 1 {
			args := make([]arg, 0, len(call.Args)-1)
			for _, w := range call.Args[1:] {
				args = append(args, argOf(w, backquoted > 0))
			}
			all = append(all, optionsAmong(args)...)
		}
		return true
	})
	return all, nil
}

// argOf returns a word of a shell as the shell passes it on, as far as that is in the word itself.
func argOf(w *syntax.Word, backquoted bool) arg {
	a := arg{fixed: backquoted, begin: int(w.Pos().Offset()), end: int(w.End().Offset())}
	var b strings.Builder
	for _, part := range w.Parts {
		text, plain := plainText(part)
		b.WriteString(text)
		if !plain {
			a.text = b.String()
			return a
		}
	}
	a.text, a.plain = b.String(), true
	return a
}

// plainText returns the text of a part of a word, and whether the shell replaces nothing in it. Of what it replaces the text is empty.
func plainText(part syntax.WordPart) (text string, plain bool) {
	switch p := part.(type) {
	case *syntax.Lit:
		return unescaped(p.Value)
	case *syntax.SglQuoted:
		return p.Value, !p.Dollar
	case *syntax.DblQuoted:
		if p.Dollar {
			return "", false
		}
		for _, inner := range p.Parts {
			lit, is := inner.(*syntax.Lit)
			if !is || strings.Contains(lit.Value, "\\") {
				return text, false
			}
			text += lit.Value
		}
		return text, true
	}
	return "", false
}

// unescaped returns a text without quotes as the shell reads it, and whether it replaces nothing else.
func unescaped(text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			if i++; text[i] != '\n' {
				b.WriteByte(text[i])
			}
		case strings.IndexByte("\\*?{}~", c) >= 0:
			return b.String(), false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// setInLine puts values in the place of options in a line of a shell.
func setInLine(line string, all []*option, chosen map[*option]string) (string, error) {
	var places []place
	values := map[place]string{}
	for _, o := range all { // in the order of the line but for commands within others
		if value, is := chosen[o]; is {
			p := place{o.begin, o.end, o.name}
			places = append(places, p)
			values[p] = executor.Quote([]string{o.before + value})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return a.begin - b.begin })
	for i := 1; i < len(places); i++ {
		if places[i].begin < places[i-1].end {
			return "", fmt.Errorf("%s is within the value of %s: %w", places[i].name, places[i-1].name, ErrInvalid)
		}
	}
	made := replace(line, places, func(p place) string { return values[p] })
	plain := replace(line, places, func(place) string { return "x" })
	before, err := parse(plain)
	if err != nil {
		return "", fmt.Errorf("how the shell reads the line is not known: %s: %w", safe.Bounded(err.Error()), ErrInvalid)
	}
	after, err := parse(made)
	if err != nil || !slices.Equal(shape(before), shape(after)) {
		return "", fmt.Errorf("with its values the line would be another one for the shell: %s: %w", safe.Bounded(made), ErrInvalid)
	}
	return made, nil
}
