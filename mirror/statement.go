package mirror

import (
	"fmt"
	"slices"
	"strings"
)

// A grammar is what has to be known of a database's language to find where a statement
// begins and ends.
type grammar struct {
	// queries are the words with which a statement begins that only reads.
	queries []string
	// mysql says that # begins a comment and -- only before white space, that a backslash
	// escapes within a string, that comments with ! are carried out, and that a query can
	// write a file.
	mysql bool
	// nested says that comments may hold others, brackets that names may stand in [].
	nested, brackets bool
	// several says that the database itself would take several statements.
	several bool
}

// executable stands for a comment that MySQL carries out.
const executable = "/*!"

// A refusal is a query that is not even asked. It is an ErrQuery.
type refusal struct{ why string }

// Error implements error.
func (r *refusal) Error() string { return "the mirror refuses the query: " + r.why }

// Unwrap returns the sentinel.
func (r *refusal) Unwrap() error { return ErrQuery }

// check refuses what is no query by its first word, and several statements where the
// database would not. That it can change nothing is the database's business: a read-only
// transaction. But it lets such a transaction write files, and MySQL ends it before it
// looks at what changes tables.
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

// words returns the words of a statement in lower case and the characters that are none,
// but no comments, and of strings and quoted names only that there is one: "'".
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

// token returns how long the first token of s is, and what words has of it.
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
		// There "1--1" is a sum.
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

// until returns how much of s there is up to the end of what ends it.
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
