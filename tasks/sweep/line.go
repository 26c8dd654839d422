package sweep

import (
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"qme/executor"
	"qme/internal/lazy"
	"qme/internal/safe"
	"qme/internal/shellline"
)

// Line returns a line of a shell with values in place of the names, quoted so that the shell takes each as it is: a value with
// spaces stays one word, and nothing of it is run. Where that cannot be done, as within ${…}, the error wraps ErrInvalid.
func (h Placeholder) Line(line string, values map[string]string) (string, error) {
	places := h.places(line, values)
	if len(places) == 0 {
		return line, nil
	}
	// Letters in place of the placeholders, which may be operators of the shell: <x>. All else keeps its place.
	plain := replace(line, places, func(p place) string { return strings.Repeat("x", p.end-p.begin) })
	before, err := parse(plain)
	if err != nil {
		return "", fmt.Errorf("how the shell reads the line is not known: %s: %w", safe.Bounded(err.Error()), ErrInvalid)
	}
	around := contexts(before, plain, places)
	quoted := make(map[place]string, len(places))
	for i, p := range places {
		if quoted[p], err = around[i].quote(values[p.name]); err != nil {
			return "", fmt.Errorf("%s: %w", h.Text(p.name), err)
		}
	}
	made := replace(line, places, func(p place) string { return quoted[p] })
	// A value can still have another meaning as a whole, such as the end of a here-document, or a keyword.
	after, err := parse(made)
	if err != nil || !slices.Equal(shape(before), shape(after)) {
		return "", fmt.Errorf("with its values the line would be another one for the shell: %s: %w", safe.Bounded(made), ErrInvalid)
	}
	return made, nil
}

// parse reads a line as bash does, which takes more than other shells. A placeholder may also be in a comment.
func parse(line string) (*syntax.File, error) {
	return shellline.Parse(line, syntax.KeepComments(true))
}

// A context is what is around a part of a line.
type context int

const (
	unknown    context = iota // such as within ${…}
	bare                      // a word, or a part of one
	pattern                   // the same, where -, ! and .. have a meaning: within [a-z] or {a..z}
	single                    // within '…'
	double                    // within "…"
	document                  // a here-document, in which $ has its meaning
	raw                       // a here-document as it is, or a comment
	arithmetic                // within $((…))
	backquoted                // within `…`, where quotes have another meaning
	again                     // a word that a shell reads once more
)

// contexts returns what is around places of a line, whose names are letters in the syntax.
func contexts(f *syntax.File, line string, places []place) []context {
	list := make([]context, len(places))
	var around []context // that of each node that is not finished
	own := map[syntax.Node]context{}
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			around = around[:len(around)-1]
			return true
		}
		outer := bare
		if len(around) > 0 {
			outer = around[len(around)-1]
		}
		evaluated(n, own)
		here, is := own[n]
		if !is {
			here = contextOf(n, outer)
		}
		around = append(around, here)
		switch n.(type) {
		case *syntax.Lit, *syntax.SglQuoted, *syntax.Comment:
			for i, p := range places {
				if int(n.Pos().Offset()) <= p.begin && p.end <= int(n.End().Offset()) {
					list[i] = within(here, n, line, p)
				}
			}
		}
		return true
	})
	return list
}

// within returns the context of a place in a text of a context.
func within(here context, n syntax.Node, line string, p place) context {
	escaped := p.begin > 0 && line[p.begin-1] == '\\'
	switch {
	case escaped && (here == bare || here == double || here == document):
		return unknown // it would be another character that is escaped
	case here == bare && strings.ContainsAny(line[n.Pos().Offset():n.End().Offset()], "[{"):
		return pattern
	}
	return here
}

// evaluated notes the contexts of those parts of a node that the shell evaluates once more, as numbers or names, whatever the quotes.
func evaluated(n syntax.Node, own map[syntax.Node]context) {
	set := func(n syntax.Node, c context) {
		if n != nil {
			own[n] = c
		}
	}
	switch n := n.(type) {
	case *syntax.Redirect:
		if n.Hdoc != nil {
			own[n.Hdoc] = documentOf(n)
		}
	case *syntax.Assign:
		if n.Index != nil {
			set(n.Index, unknown)
		}
	case *syntax.ArrayElem:
		if n.Index != nil {
			set(n.Index, unknown)
		}
	case *syntax.CStyleLoop:
		for _, e := range []syntax.ArithmExpr{n.Init, n.Cond, n.Post} {
			if e != nil {
				set(e, arithmetic)
			}
		}
	case *syntax.BinaryTest:
		if slices.Contains([]syntax.BinTestOperator{syntax.TsEql, syntax.TsNeq, syntax.TsLeq, syntax.TsGeq, syntax.TsLss, syntax.TsGtr}, n.Op) {
			set(n.X, arithmetic)
			set(n.Y, arithmetic)
		}
	case *syntax.UnaryTest:
		if n.Op == syntax.TsVarSet || n.Op == syntax.TsRefVar {
			set(n.X, unknown)
		}
	case *syntax.CallExpr:
		for _, w := range readAgain(n.Args) {
			set(w, again)
		}
	case *syntax.DeclClause:
		for _, a := range n.Args {
			set(a, declared(n, a))
		}
	}
}

// declared returns the context of an argument of declare and the like: with an option the value may be evaluated, as with -i.
func declared(d *syntax.DeclClause, a *syntax.Assign) context {
	for _, one := range d.Args {
		if one.Naked && one.Name == nil && one != a {
			return unknown
		}
	}
	return bare
}

// contextOf returns what is around the parts of a node.
func contextOf(n syntax.Node, outer context) context {
	if outer == again {
		return again
	}
	switch n := n.(type) {
	case *syntax.CmdSubst:
		if n.Backquotes || outer == backquoted {
			return backquoted
		}
		return bare
	case *syntax.ProcSubst:
		return bare
	case *syntax.ParamExp:
		return unknown
	case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.LetClause:
		return arithmetic
	case *syntax.Comment:
		return raw
	case *syntax.SglQuoted:
		if outer == bare && !n.Dollar {
			return single
		}
		return unknown
	case *syntax.DblQuoted:
		if outer == bare {
			return double
		}
		return unknown
	}
	return outer
}

// documentOf returns the context in the here-document of a redirection: it is raw if a part of its delimiter is quoted.
func documentOf(r *syntax.Redirect) context {
	for _, part := range r.Word.Parts {
		if lit, is := part.(*syntax.Lit); !is || strings.Contains(lit.Value, `\`) {
			return raw
		}
	}
	return document
}

// number matches what means itself in arithmetic.
var number = lazy.Regexp(`^-?[0-9]+$`)

// quote has a shell take a value as it is.
func (c context) quote(value string) (string, error) {
	switch c {
	case bare:
		return executor.Quote([]string{value}), nil
	case pattern:
		return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'", nil
	case single:
		return strings.ReplaceAll(value, "'", `'\''`), nil
	case double:
		return escape(value, "\"\\$`"), nil
	case document:
		return escape(value, "\\$`"), nil
	case raw:
		return value, nil
	case arithmetic:
		if number().MatchString(value) {
			if value[0] == '-' {
				return "(" + value + ")", nil // after another minus it would be something else
			}
			return value, nil
		}
		return "", fmt.Errorf("in arithmetic only whole numbers are put, not %s: %w", safe.Bounded(value), ErrInvalid)
	case again:
		if executor.Quote([]string{value}) == value {
			return value, nil
		}
		return "", fmt.Errorf("a shell reads a value there once more, as after eval and sh -c; $QME_PARAM_NAME has it, too: %w", ErrInvalid)
	case backquoted:
		if executor.Quote([]string{value}) == value {
			return value, nil
		}
		return "", fmt.Errorf("within `…` a value would have to be quoted twice; write $(…): %w", ErrInvalid)
	}
	return "", fmt.Errorf("how the shell reads a value there is not known; $QME_PARAM_NAME has it, too: %w", ErrInvalid)
}

// escape writes a backslash before some characters.
func escape(value, special string) string {
	var b strings.Builder
	for _, c := range value {
		if strings.ContainsRune(special, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// shape returns the kinds of all nodes of a line, and how many words each has, but for what quotes and the sign of a number
// change.
func shape(f *syntax.File) (list []string) {
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case nil:
		case *syntax.Word:
			list = append(list, "word")
		case *syntax.CallExpr:
			list = append(list, fmt.Sprintf("call %d %d", len(n.Assigns), len(n.Args)))
		case *syntax.Redirect:
			list = append(list, fmt.Sprint("redirect ", n.Op))
		case *syntax.BinaryCmd:
			list = append(list, fmt.Sprint("binary ", n.Op))
		case *syntax.UnaryArithm, *syntax.ParenArithm: // of a negative number
		case syntax.WordPart:
			if _, text := n.(*syntax.Lit); text {
				break
			}
			if _, text := n.(*syntax.SglQuoted); !text {
				list = append(list, fmt.Sprintf("%T", n))
			}
		default:
			list = append(list, fmt.Sprintf("%T", n))
		}
		return true
	})
	return list
}
