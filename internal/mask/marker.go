package mask

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Counts says how often the values of secrets were masked, by the name in their markers.
type Counts map[string]int

// Add adds other counts. It may be called on nil Counts if other is empty.
func (c Counts) Add(other Counts) {
	for name, n := range other {
		c[name] += n
	}
}

// Names returns the names, sorted.
func (c Counts) Names() []string { return slices.Sorted(maps.Keys(c)) }

const (
	opening = "[masked:"
	closing = ']'
	// longestLabel bounds the name in a marker, in bytes.
	longestLabel = 128
	patternLabel = "pattern"
)

// label returns the name of a variable as it is in a marker.
func label(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, name[:min(len(name), longestLabel)])
}

// IsLabel reports whether a text can be the name in a marker.
func IsLabel(text string) bool {
	return text != "" && len(text) <= longestLabel && label(text) == text
}

// PatternOf returns the number of the pattern, from 1, that a name in a marker stands for; ok is
// false for the name of a variable.
func PatternOf(name string) (n int, ok bool) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, patternLabel))
	return n, err == nil && n > 0 && strings.HasPrefix(name, patternLabel)
}

// marker returns the text that takes the place of a value.
func marker(name, form string) string {
	if form != "" {
		name += " " + form
	}
	return opening + name + string(closing)
}

// A Marker is a place in a text from which a value was taken out.
type Marker struct {
	Start, End int    // in bytes
	Name       string // of the variable, or pattern and its number
	Form       string // see Encode
}

// Markers returns the markers in a text, from its beginning to its end. Only the names of a
// record's Counts show that one was not typed by the user.
func Markers(text string) []Marker {
	var found []Marker
	for from := 0; ; {
		i := strings.Index(text[from:], opening)
		if i < 0 {
			return found
		}
		start := from + i
		from = start + len(opening)
		inside, _, closed := strings.Cut(text[from:min(len(text), from+2*longestLabel)], string(closing))
		name, form, formed := strings.Cut(inside, " ")
		if !closed || !IsLabel(name) || formed && !IsLabel(form) {
			continue
		}
		from += len(inside) + 1
		found = append(found, Marker{start, from, name, form})
	}
}
