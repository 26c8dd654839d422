package config

import (
	"cmp"
	"slices"
	"strings"

	"qme/internal/near"
)

// SearchGroup is the group of the saved searches: searches.NAME holds a query.
const SearchGroup = "searches"

// searchName returns the name of the saved search that a setting holds; ok is false for other
// settings and for names that no search can have.
func searchName(setting string) (name string, ok bool) {
	name, ok = strings.CutPrefix(setting, SearchGroup+".")
	return name, ok && CheckSearchName(name) == nil
}

// IsSearch reports whether a setting holds a saved search.
func IsSearch(setting string) bool {
	_, ok := searchName(setting)
	return ok
}

// SearchKey returns the setting that holds a saved search.
func SearchKey(name string) string { return SearchGroup + "." + name }

// maxSearchName is the longest name of a saved search, in bytes.
const maxSearchName = 64

// CheckSearchName returns an error that wraps record.ErrInvalid if no saved search can have the
// name.
func CheckSearchName(name string) error {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
	}
	if name == "" || len(name) > maxSearchName || name[0] == '-' || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return invalid("a saved search has a name of letters (A to Z, a to z), digits, _ and -, %d in all at most, such as failed-today; not %.80q", maxSearchName, name)
	}
	return nil
}

// savedSearch is the setting that holds a saved search.
func savedSearch(name string) setting {
	return setting{
		name: SearchKey(name), kind: stringKind,
		description: "a saved search: \"qme search --saved " + name + "\"",
	}
}

// A Search is a saved search.
type Search struct {
	Name  string
	Query string // not checked
	Regex bool   // words are regular expressions
}

// regexMark begins the value of a saved search with regular expressions, as on a command line.
const regexMark = "--regex "

// Value returns the value of the setting that holds the search.
func (s Search) Value() string {
	switch {
	case s.Regex:
		return regexMark + s.Query
	case strings.HasPrefix(s.Query, regexMark):
		return " " + s.Query // a blank before a query does not matter
	}
	return s.Query
}

// SearchOf returns the search that a value of its setting means.
func SearchOf(name, value string) Search {
	text, regex := strings.CutPrefix(value, regexMark)
	return Search{Name: name, Query: text, Regex: regex}
}

// Searches returns the saved searches, by name.
func (c *Config) Searches() []Search {
	var all []Search
	for key, f := range c.found {
		if name, ok := searchName(key); ok {
			all = append(all, SearchOf(name, f.value.text))
		}
	}
	slices.SortFunc(all, func(a, b Search) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Search returns a saved search. If there is none of the name, the error wraps
// record.ErrInvalid and names the nearest one.
func (c *Config) Search(name string) (Search, error) {
	if f, ok := c.found[SearchKey(name)]; ok {
		return SearchOf(name, f.value.text), nil
	}
	if err := CheckSearchName(name); err != nil {
		return Search{}, err
	}
	var names []string
	for _, s := range c.Searches() {
		names = append(names, s.Name)
	}
	return Search{}, noSearch(name, names)
}

// noSearch is the error for a search that was not saved. names are those that were.
func noSearch(name string, names []string) error {
	meant := near.Best(name, names)
	switch {
	case len(names) == 0:
		return invalid("there is no saved search %s, nor any other; \"qme search --save %s QUERY\" saves one", name, name)
	case meant != "":
		return invalid("there is no saved search %s; did you mean %s?", name, meant)
	}
	return invalid("there is no saved search %s; \"qme search --list-saved\" lists those that there are", name)
}

// searchNames returns the names of the saved searches in the file.
func (d *document) searchNames() []string {
	var names []string
	for _, e := range d.entries {
		if name, ok := searchName(spell(e.path)); ok {
			names = append(names, name)
		}
	}
	return names
}
