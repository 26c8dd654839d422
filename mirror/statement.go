package mirror

import (
	"fmt"
	"slices"
	"strings"
)

// A grammar holds the properties of a database's language that matter for finding the
// beginning and end of a statement.
type grammar struct {
	// queries are the first words of read-only statements.
	queries []string
	// mysql says that # begins a comment and -- does so only before white space, that a
	// backslash is an escape in a string, that comments with ! are executed, and that a
	// query can write a file.
	mysql bool
	// nested says that comments can be nested, brackets that names can be in [].
	nested, brackets bool
	// several says that the database would execute several statements.
	several bool
}

// executable stands for a comment that MySQL executes.
const executable = "/*!"

// A refusal is the reason why a query is not sent to the database. It wraps ErrQuery.
type refusal struct{ why string }

// Error implements error.
func (r *refusal) Error() string { return "the mirror refuses the query: " + r.why }

// Unwrap returns the sentinel.
func (r *refusal) Unwrap() error { return ErrQuery }

// check rejects a statement whose first word does not begin a query, and several
// statements unless the database rejects them itself. The database ensures with a
// read-only transaction that nothing is changed. But it allows writing files in such a
// transaction, and MySQL commits the transaction before it checks a statement that
// changes tables.
func (g *grammar) check(statement string) error {
	if strings.IndexByte(statement, 0) >= 0 {
		return &refusal{"it holds the character U+0000"}
	}
	words := g.words(statement)
	first := ""
	if i := slices.IndexFunc(words, func(w string) bool { return w != "(" }); i >= 0 {
		first = words[i]
	}
	switch {
	case slices.Contains(words, executable):
		return &refusal{"it holds a comment that the database would carry out (/*! … */)"}
	case first == "" || first == ";":
		return &refusal{"it holds no statement"}
	case strings.HasPrefix(first, ".") || strings.HasPrefix(first, `\`):
		return &refusal{first + " is a command of another program; \"qme sql --schema\" shows the tables and their columns"}
	case !slices.Contains(g.queries, first):
		return &refusal{fmt.Sprintf("it can only be read, and what begins with %q is no query; one begins with %s", first, strings.Join(g.queries, ", "))}
	}
	if end := slices.Index(words, ";"); g.several && end >= 0 && end < len(words)-1 {
		return &refusal{"it holds several statements; ask them one by one"}
	}
	for i, w := range words {
		if g.mysql && w == "into" && i+1 < len(words) && (words[i+1] == "outfile" || words[i+1] == "dumpfile") {
			return &refusal{"it can only be read, and this would write a file on its server"}
		}
	}
	return nil
}

// words returns the words of a statement in lower case, and its other characters.
// Comments are skipped; a string or quoted name becomes "'".
func (g *grammar) words(s string) []string {
	var all []string
	for i := 0; i < len(s); {
		n, word := g.token(s[i:])
		if word != "" {
			all = append(all, word)
		}
		i += n
	}
	return all
}

// token returns the length of the first token of s, and its entry in words.
func (g *grammar) token(s string) (length int, word string) {
	switch c := s[0]; {
	case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		return 1, ""
	case g.lineComment(s):
		return until(s, "\n"), ""
	case g.mysql && (strings.HasPrefix(s, "/*!") || strings.HasPrefix(s, "/*M!")):
		return len("/*"), executable
	case strings.HasPrefix(s, "/*"):
		return g.comment(s), ""
	case c == '\'', c == '"', c == '`':
		return g.quoted(s, c), "'"
	case c == '[' && g.brackets:
		return until(s, "]"), "'"
	case (c == '.' || c == '\\') && len(s) > 1 && isWord(s[1]):
		return 1 + wordLength(s[1:]), s[:1+wordLength(s[1:])]
	case isWord(c):
		n := wordLength(s)
		return n, strings.ToLower(s[:n])
	default:
		return 1, s[:1]
	}
}

func (g *grammar) lineComment(s string) bool {
	if g.mysql {
		// In MySQL "1--1" is a sum.
		return s[0] == '#' || strings.HasPrefix(s, "--") && (len(s) == 2 || s[2] <= ' ')
	}
	return strings.HasPrefix(s, "--")
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func wordLength(s string) int {
	for i := range len(s) {
		if !isWord(s[i]) {
			return i
		}
	}
	return len(s)
}

// until returns the length of s up to and including end, or all of it if there is none.
func until(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

func (g *grammar) comment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*") && (g.nested || depth == 0):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func (g *grammar) quoted(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && g.mysql && quote != '`':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}
