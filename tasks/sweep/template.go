package sweep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"qme/internal/safe"
)

// A Placeholder is how a parameter is written in a command: the text before and after its name.
type Placeholder struct{ open, end string }

// Braces is how it is written unless the user says otherwise: {lr}.
var Braces = Placeholder{"{", "}"}

const mostPlaceholder = 8 // characters

// ParsePlaceholder reads the text before a name and that after it, of the same length: "%%" for %lr%, "{{}}" for {{lr}}. The
// error wraps ErrInvalid.
func ParsePlaceholder(text string) (Placeholder, error) {
	r := []rune(text)
	bad := func(c rune) bool {
		return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsSpace(c) || !unicode.IsPrint(c)
	}
	if len(r) == 0 || len(r)%2 != 0 || len(r) > mostPlaceholder || strings.ContainsFunc(text, bad) {
		return Placeholder{}, fmt.Errorf("a placeholder is what is before and after a name, such as {} or %%%%, of at most %d characters, not %s: %w",
			mostPlaceholder, safe.Bounded(strconv.Quote(text)), ErrInvalid)
	}
	return Placeholder{string(r[:len(r)/2]), string(r[len(r)/2:])}, nil
}

// String returns the text that ParsePlaceholder reads.
func (h Placeholder) String() string { return h.open + h.end }

// Text returns how a name is written.
func (h Placeholder) Text(name string) string { return h.open + name + h.end }

// Fill returns the words of a command with values in place of the names. One word alone may be a line of a shell, and is filled as
// by Line, with its errors, and so is LINE of sh -c LINE. In all others each value stays one word, or a part of one.
func (h Placeholder) Fill(words []string, values map[string]string) ([]string, error) {
	at := -1
	if len(words) == 1 {
		at = 0
	} else if i, ok := lineOf(words); ok {
		at = i
	}
	filled := h.Words(words, values)
	if at < 0 {
		return filled, nil
	}
	var err error
	filled[at], err = h.Line(words[at], values)
	return filled, err
}

// A place is where a placeholder is in a text.
type place struct {
	begin, end int
	name       string
}

// find returns the places of the names that has knows. All else in braces stays: it is awk's, or JSON, or, as ${lr}, the
// shell's.
func (h Placeholder) find(text string, has func(name string) bool) (list []place) {
	for at := 0; ; {
		i := strings.Index(text[at:], h.open)
		if i < 0 {
			return list
		}
		begin := at + i
		rest := text[begin+len(h.open):]
		name := rest[:len(rest)-len(strings.TrimLeft(rest, letters+digits+"_"))]
		shells := h == Braces && begin > 0 && text[begin-1] == '$'
		if !shells && name != "" && strings.HasPrefix(rest[len(name):], h.end) && has(name) {
			at = begin + len(h.open) + len(name) + len(h.end)
			list = append(list, place{begin, at, name})
		} else {
			at = begin + 1
		}
	}
}

// Uses returns which of some names have a placeholder in the words of a command.
func (h Placeholder) Uses(words, names []string) map[string]bool {
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	used := map[string]bool{}
	for _, w := range words {
		for _, p := range h.find(w, func(name string) bool { return known[name] }) {
			used[p.name] = true
		}
	}
	return used
}

// Others returns what is written in the words of a command as a placeholder is, and is none of some names, each once.
func (h Placeholder) Others(words, names []string) (others []string) {
	for _, w := range words {
		for _, p := range h.find(w, func(name string) bool { return !slices.Contains(names, name) }) {
			if !slices.Contains(others, p.name) {
				others = append(others, p.name)
			}
		}
	}
	return others
}

// Words returns the words of a command with values in place of the names. A value stays one word, or a part of one, whatever it has.
func (h Placeholder) Words(words []string, values map[string]string) []string {
	list := make([]string, 0, len(words))
	for _, w := range words {
		list = append(list, replace(w, h.places(w, values), func(p place) string { return values[p.name] }))
	}
	return list
}

func (h Placeholder) places(text string, values map[string]string) []place {
	return h.find(text, func(name string) bool { _, there := values[name]; return there })
}

// replace puts something in the place of each placeholder.
func replace(text string, places []place, with func(place) string) string {
	var b strings.Builder
	at := 0
	for _, p := range places {
		b.WriteString(text[at:p.begin])
		b.WriteString(with(p))
		at = p.end
	}
	b.WriteString(text[at:])
	return b.String()
}
