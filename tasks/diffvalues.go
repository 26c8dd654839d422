package tasks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/dustin/go-humanize"
)

// A FieldChange is one value that differs; "" means no value.
type FieldChange struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// changed returns those of some values that differ.
func changed(values ...FieldChange) []FieldChange {
	return slices.DeleteFunc(values, func(f FieldChange) bool { return f.From == f.To })
}

// changedIn returns what differs of the values of two runs by their names, in the order of these, with a
// prefix before them.
func changedIn(prefix string, from, to map[string]string) (changes []FieldChange) {
	for _, name := range namesIn(from, to) {
		changes = append(changes, FieldChange{prefix + name, from[name], to[name]})
	}
	return changed(changes...)
}

// namesIn returns the names that one of two runs has, sorted.
func namesIn[T any](a, b map[string]T) []string {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]T{}
	}
	maps.Copy(both, b)
	return slices.Sorted(maps.Keys(both))
}

// oneRecorded returns a single change for what was recorded of one of two runs alone, and both reports
// whether it was of both.
func oneRecorded[T any](name string, a, b *T, text func(*T) string) (changes []FieldChange, both bool) {
	if a != nil && b != nil {
		return nil, true
	}
	of := func(t *T) string {
		if t == nil {
			return NotRecorded
		}
		return cmp.Or(text(t), "recorded")
	}
	return changed(FieldChange{name, of(a), of(b)}), false
}

// contentText describes a content by its size and its hash, "" if that is not known.
func contentText(size int64, sha256 string) string {
	text := humanize.IBytes(uint64(max(size, 0)))
	if sha256 == "" {
		return text
	}
	return text + fmt.Sprintf(", sha256 %.12s", sha256)
}

// recordedText is contentText of what a run has recorded, which says so if the hash is missing.
func recordedText(size int64, sha256 string) string {
	if sha256 == "" {
		return contentText(size, "") + ", hash " + NotRecorded
	}
	return contentText(size, sha256)
}
