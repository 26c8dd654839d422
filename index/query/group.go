package query

import (
	"strings"
	"unicode"

	"qme/internal/lazy"
)

const (
	// maxLength is how many bytes a query has at most, maxTerms how many words and conditions,
	// and maxDepth how many groups are within each other.
	maxLength = 64 << 10
	maxTerms  = 1000
	maxDepth  = 50
)

// list reads words and groups up to the end of the query or of the group that it is in: all
// of them must hold.
func (p *parser) list() (node, error) {
	var all []node
	for p.skipSpace(); p.pos < len(p.in) && !p.closes(); p.skipSpace() {
		var err error
		if all, err = p.next(all); err != nil {
			return node{}, err
		}
	}
	switch {
	case len(all) == 0 && p.depth > 0:
		return node{}, p.errorAt(p.pos, "there is nothing in these parentheses; as text they are in quotes: \"()\"")
	case len(all) == 0 && p.pos == len(p.in):
		return node{}, p.errorAt(p.pos, "there is nothing to search for")
	case p.depth == 0 && p.pos < len(p.in):
		return node{}, p.notOpened(p.pos)
	}
	n := all[0]
	for _, next := range all[1:] {
		n = join(false, n, next)
	}
	return n, nil
}

// next reads a word or a group, with what joins it to those before: AND or nothing, or OR,
// which binds closer.
func (p *parser) next(all []node) ([]node, error) {
	at := p.pos
	operator := p.operator("OR", "AND")
	if operator != "" && (len(all) == 0 || p.pos == len(p.in) || p.closes()) {
		return nil, p.errorAt(at, "%s stands between two words; as text it is in quotes: \"%s\"", operator, operator)
	}
	if at = p.pos; p.operator("OR", "AND") != "" {
		return nil, p.errorAt(at, "here a word is missing; as text OR and AND are in quotes")
	}
	if p.operator("NOT") != "" { // not taken for a dash: it may well be text
		return nil, p.errorAt(at, "NOT is written as a dash: -WORD; as text it is in quotes: \"NOT\"")
	}
	n, err := p.operand()
	if err != nil {
		return nil, err
	}
	if operator == "OR" {
		last := len(all) - 1
		all[last] = join(true, all[last], n)
		return all, nil
	}
	return append(all, n), nil
}

// operand reads [-]TERM or [-](LIST). Two dashes begin a word, such as an option.
func (p *parser) operand() (node, error) {
	not := false
	if rest := p.in[p.pos:]; len(rest) > 1 && rest[0] == '-' && rest[1] != '-' && !startsWithSpace(rest[1:]) && !endsGroups(rest[1:]) {
		not = true
		p.pos++
	}
	if p.opens() {
		return p.group(not)
	}
	if p.terms++; p.terms > maxTerms {
		return node{}, p.errorAt(p.pos, "a query has at most %d words", maxTerms)
	}
	t, err := p.term()
	t.not = not
	return node{term: &t}, err
}

func (p *parser) group(not bool) (node, error) {
	at := p.pos
	if p.depth == maxDepth {
		return node{}, p.errorAt(at, "at most %d parentheses are within each other; as text they are in quotes", maxDepth)
	}
	p.pos++
	p.depth++
	n, err := p.list()
	if err != nil {
		return n, err
	}
	if p.pos == len(p.in) {
		return n, p.unbalanced(at, "the ) that ends this group is missing")
	}
	p.pos++
	p.depth--
	if not {
		n.negate()
	}
	return n, nil
}

// opens reports whether a group begins here: with a parenthesis at the beginning of a word,
// but that of a word such as (int)x, which goes on behind the other one.
func (p *parser) opens() bool {
	word := firstWord(p.in[p.pos:])
	switch {
	case !strings.HasPrefix(word, "(") || p.opts.Regex && strings.HasPrefix(word, "(?"):
		return false
	case phraseFirst().MatchString(word):
		return true
	}
	end := p.partner(word)
	return end < 0 || strings.Trim(word[end:], ")") == ""
}

// phraseFirst matches where the first thing in a group is a phrase in quotes.
var phraseFirst = lazy.Regexp(`^[(-]+(([A-Za-z]+|` + named + `):)?"`)

// closes reports whether what comes next ends groups.
func (p *parser) closes() bool { return endsGroups(p.in[p.pos:]) }

// endsGroups reports whether a text begins with closing parentheses that end a word.
func endsGroups(s string) bool {
	rest := strings.TrimLeft(s, ")")
	return len(rest) < len(s) && (rest == "" || startsWithSpace(rest))
}

func firstWord(s string) string {
	if i := strings.IndexFunc(s, unicode.IsSpace); i >= 0 {
		return s[:i]
	}
	return s
}

// partner returns where the parenthesis is that closes the one with which a word begins, -1
// if none does.
func (p *parser) partner(word string) int {
	open, end := 0, -1
	p.parentheses(word, func(i int) bool {
		if open++; word[i] == ')' {
			if open -= 2; open == 0 {
				end = i
			}
		}
		return end < 0
	})
	return end
}

// closing counts the parentheses at the end of a word that close none of the word.
func (p *parser) closing(word string) int {
	open, n, last := 0, 0, -1
	p.parentheses(word, func(i int) bool {
		switch {
		case word[i] == '(':
			open++
		case open > 0:
			open--
		default:
			if last != i-1 {
				n = 0
			}
			n, last = n+1, i
		}
		return true
	})
	if last != len(word)-1 {
		return 0
	}
	return n
}

// parentheses yields where a word has parentheses, but for those that an expression escapes
// or has among the characters of a class.
func (p *parser) parentheses(word string, yield func(int) bool) {
	class := -1 // where one begins
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case c == '\\' && p.opts.Regex:
			i++
		case class >= 0:
			if c == ']' && i > class+1 && word[class+1:i] != "^" {
				class = -1
			}
		case c == '[' && p.opts.Regex:
			class = i
		case (c == '(' || c == ')') && !yield(i):
			return
		}
	}
}

// notOpened says that a closing parenthesis closes nothing.
func (p *parser) notOpened(at int) error { return p.unbalanced(at, "there is no ( for this )") }

// unbalanced says what is wrong with a parenthesis, and how its word is written as text.
func (p *parser) unbalanced(at int, msg string) error {
	if p.opts.Regex {
		return p.errorAt(at, "%s; the character itself is \\%c", msg, p.in[at])
	}
	before := strings.TrimRightFunc(p.in[:at], func(r rune) bool { return !unicode.IsSpace(r) })
	word := firstWord(p.in[len(before):])
	if strings.ContainsAny(word, `"\`) || word[0] == '-' || len(word) > 60 || fieldName().MatchString(strings.TrimLeft(word, "(")) {
		return p.errorAt(at, "%s; as text it is in quotes", msg)
	}
	err := p.errorAt(at, "%s; as text it is in quotes: \"%s\"", msg, word)
	err.Text = word
	return err
}
