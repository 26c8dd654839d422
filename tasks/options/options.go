// Package options reads parameters from a command: the options of a program that were typed, such as --lr=3e-4.
//
// How a program reads its options is not known, so this is a guess, for display. Nothing of it is recorded.
package options

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"qme/internal/shellline"
	"qme/record"
)

// present is the value of an option that has none.
const present = "true"

// Of returns the parameters in a command, each once, in the order in which they are there: --NAME=VALUE, --NAME VALUE, -N VALUE, -N8,
// NAME=VALUE, and options without a value, which are "true". A "-" in a name is a "_". Values of an option that is given several
// times have commas between them. Of a line for the shell it has those of all commands in it. What is too long, or of which there
// is too much, is left out.
func Of(command string) record.Params {
	r := reader{at: map[string]int{}}
	for _, words := range commandsOf(command) {
		if line, _, ok := lineOf(words); ok {
			for _, inner := range commandsOf(line) {
				r.read(inner)
			}
			continue
		}
		r.read(words)
	}
	return r.list
}

// lineOf returns the line in the words of a shell that is called with -c.
func lineOf(words []string) (line string, rest []string, ok bool) {
	if len(words) < 3 || !shellline.IsShell(words[0]) {
		return "", nil, false
	}
	return shellline.Command(words[1:])
}

// special are the characters for which a line has to be read as a shell does.
const special = "\\'\"`$;&|<>(){}*?[]#~!\n"

// commandsOf returns the words of each command in a line. What the shell would replace stays as it is written.
func commandsOf(line string) [][]string {
	if !strings.ContainsAny(line, special) {
		return [][]string{strings.Fields(line)}
	}
	file, err := shellline.Parse(line)
	if err != nil {
		return nil
	}
	var list [][]string
	syntax.Walk(file, func(n syntax.Node) bool {
		call, is := n.(*syntax.CallExpr)
		if !is {
			return true
		}
		var words []string
		for _, a := range call.Assigns {
			if a.Name != nil && a.Value != nil && a.Index == nil {
				words = append(words, a.Name.Value+"="+wordOf(a.Value, line))
			}
		}
		if len(call.Args) == 0 {
			words = nil // a variable of the shell
		}
		for _, w := range call.Args {
			words = append(words, wordOf(w, line))
		}
		list = append(list, words)
		return false // of what is run in a word nothing is known
	})
	return list
}

// wordOf returns a word without its quotes, or as it is written if it is more than text.
func wordOf(w *syntax.Word, line string) string {
	var text strings.Builder
	add := func(parts []syntax.WordPart, quoted bool) bool {
		for _, p := range parts {
			lit, is := p.(*syntax.Lit)
			if !is {
				return false
			}
			text.WriteString(unescaped(lit.Value, quoted))
		}
		return true
	}
	for _, p := range w.Parts {
		var ok bool
		switch p := p.(type) {
		case *syntax.SglQuoted:
			if ok = !p.Dollar; ok {
				text.WriteString(p.Value)
			}
		case *syntax.DblQuoted:
			ok = add(p.Parts, true)
		default:
			ok = add([]syntax.WordPart{p}, false)
		}
		if !ok {
			return line[w.Pos().Offset():w.End().Offset()]
		}
	}
	return text.String()
}

// unescaped removes the backslashes that a shell removes.
func unescaped(text string, quoted bool) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && (!quoted || strings.IndexByte("\\\"$`\n", text[i+1]) >= 0) {
			i++
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// A reader collects parameters.
type reader struct {
	list record.Params
	at   map[string]int
}

func (r *reader) read(words []string) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		name, value, has := strings.Cut(w, "=")
		switch {
		case w == "--":
			return
		case len(w) < 2 || w[0] != '-':
			if has {
				r.put(name, value)
			}
			continue
		case isNumber(w):
			continue
		case has:
			r.put(name, value)
			continue
		case IsJoined(w): // -j8
			r.put(w[1:2], w[2:])
			continue
		}
		value = present
		if i+1 < len(words) && isValue(words[i+1]) {
			i++
			value = words[i]
		}
		r.put(w, value)
	}
}

// IsJoined reports whether a word is an option of one letter with a number behind it, such as -j8.
func IsJoined(w string) bool {
	return len(w) > 2 && w[0] == '-' && w[1] != '-' && !isNumber(w) && isNumber(w[2:])
}

func isNumber(w string) bool {
	_, ok := record.MetricValue(w).Number()
	return ok
}

// isValue reports whether a word after an option is its value: not a further option, but a negative number.
func isValue(w string) bool { return w == "" || w == "-" || w[0] != '-' || isNumber(w) }

// Name returns what the parameter of an option is called: an option is --learning-rate or, as hydra has it, optimizer.lr. Whether a
// parameter can be called so is another question.
func Name(option string) string {
	return strings.NewReplacer("-", "_", ".", "_", "/", "_").Replace(strings.TrimLeft(option, "-+"))
}

func (r *reader) put(name, value string) {
	name = Name(name)
	if record.CheckParamName(name) != nil || len(value) > record.LongestValue {
		return
	}
	if i, has := r.at[name]; has {
		if all := r.list[i].Value + "," + value; len(all) <= record.LongestValue {
			r.list[i].Value = all
		}
		return
	}
	if len(r.list) == record.MostParams {
		return
	}
	r.at[name] = len(r.list)
	r.list = append(r.list, record.Param{Name: name, Value: value})
}
