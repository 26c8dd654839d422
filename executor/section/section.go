// Package section reads the section of an executor in config.toml: typed values, and errors
// that name the key and its place.
package section

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"qme/internal/span"
	"qme/record"
)

// A Section is the part of the settings below [executor.NAME].
type Section struct {
	Name string
	// Values are as a TOML decoder returns them: string, bool, int64, []any and
	// map[string]any. They are nil where the section is no table.
	Values map[string]any
	// Where names the place of the key at a path below [executor.NAME], or of the section
	// for none, as " in FILE line N".
	Where func(path ...string) string
}

// Has reports whether the section itself, not a table in it, holds the key.
func (s Section) Has(key string) bool { return s.Values[key] != nil }

// Errorf makes an error about the key at a path. It wraps record.ErrInvalid.
func (s Section) Errorf(path []string, format string, args ...any) error {
	name := strings.Join(append([]string{"executor", s.Name}, path...), ".")
	return &invalid{name + s.Where(path...) + ": " + fmt.Sprintf(format, args...)}
}

// invalid is a record.ErrInvalid whose text is a whole sentence of its own.
type invalid struct{ text string }

func (e *invalid) Error() string { return e.text }
func (e *invalid) Unwrap() error { return record.ErrInvalid }

// Read begins to read the section. Done returns the first error.
func (s Section) Read() *Table {
	t := &Table{section: s, values: s.Values, err: new(error)}
	if err := record.CheckExecutor(s.Name); err != nil {
		t.Fail("", "an executor's name begins with a letter from a to z and goes on with these, digits, _ and -, 64 in all at most")
	}
	if s.Values == nil {
		t.Fail("", "it is a table: write [executor.%s] and below it KEY = VALUE", s.Name)
	}
	return t
}

// A Table is a table of a section that is being read. After the first error, which Done
// returns, its methods may return zero values.
type Table struct {
	section Section
	path    []string
	values  map[string]any
	known   []string
	err     *error // shared by all tables of a section
}

// Fail notes an error of a key, or of the table itself for "". The first one counts.
func (t *Table) Fail(key, format string, args ...any) {
	if *t.err == nil {
		*t.err = t.section.Errorf(t.at(key), format, args...)
	}
}

func (t *Table) at(key string) []string {
	if key == "" {
		return t.path
	}
	return append(slices.Clone(t.path), key)
}

// get returns the value of a key, which is known from now on.
func (t *Table) get(key string) any {
	t.known = append(t.known, key)
	return t.values[key]
}

// Text returns text, "" without it. It holds no control characters and is not empty
// where it is given.
func (t *Table) Text(key string) string {
	v := t.get(key)
	if v == nil {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		t.Fail(key, "it takes text in quotes")
		return ""
	}
	if !plain(s) || s == "" {
		t.Fail(key, "%q is empty, or holds control characters", s)
	}
	return s
}

func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Texts returns a list of texts, nil without it. It, or an element, may be empty.
func (t *Table) Texts(key string) []string {
	v := t.get(key)
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		t.Fail(key, `it takes a list of texts, such as ["a", "b"]`)
		return nil
	}
	texts := make([]string, 0, len(list))
	for _, e := range list {
		s, ok := e.(string)
		if !ok || !plain(s) {
			t.Fail(key, "its elements are texts in quotes, without control characters")
			return nil
		}
		texts = append(texts, s)
	}
	return texts
}

// Bool returns true or false, false without it.
func (t *Table) Bool(key string) bool {
	v := t.get(key)
	b, ok := v.(bool)
	if v != nil && !ok {
		t.Fail(key, "it is true or false, without quotes")
	}
	return b
}

// Duration returns a duration such as "30s", def without it. It is positive.
func (t *Table) Duration(key string, def time.Duration) time.Duration {
	text := t.Text(key)
	if text == "" {
		return def
	}
	d, err := span.Parse(text)
	if err != nil || d <= 0 {
		t.Fail(key, "%q is not a duration such as 30s", text)
	}
	return d
}

// Words returns a table of texts, nil without it.
func (t *Table) Words(key string) map[string]string {
	words := map[string]string{}
	for name, v := range t.table(key) {
		s, ok := v.(string)
		if !ok || !plain(s) || s == "" {
			t.Fail(key, "%s takes text in quotes", name)
		}
		words[name] = s
	}
	return words
}

// Codes returns a table of return codes, nil without it.
func (t *Table) Codes(key string) map[string]int {
	codes := map[string]int{}
	for name, v := range t.table(key) {
		n, ok := v.(int64)
		if !ok || n < 0 || n > 255 {
			t.Fail(key, "%s takes a return code from 0 to 255", name)
		}
		codes[name] = int(n)
	}
	return codes
}

func (t *Table) table(key string) map[string]any {
	v := t.get(key)
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		t.Fail(key, "it is a table: write [%s] and below it KEY = VALUE", strings.Join(append([]string{"executor", t.section.Name}, t.at(key)...), "."))
	}
	return m
}

// Table returns a table within the table, nil without it.
func (t *Table) Table(key string) *Table {
	m := t.table(key)
	if m == nil {
		return nil
	}
	return &Table{section: t.section, path: t.at(key), values: m, err: t.err}
}

// Tables returns the tables in the table at key, by name, sorted.
func (t *Table) Tables(key string) (names []string, tables []*Table) {
	group := t.Table(key)
	if group == nil {
		return nil, nil
	}
	names = slices.Sorted(maps.Keys(group.values))
	for _, name := range names {
		if in := group.Table(name); in != nil {
			tables = append(tables, in)
		}
	}
	if len(tables) < len(names) {
		return nil, nil // table has said it
	}
	return names, tables
}

// Path returns where the table stands in the section, with a key in it.
func (t *Table) Path(key string) []string { return t.at(key) }

// Finish says that all keys of the table have been asked for. Any other key is an error, and
// comes first: it may be the reason for the others.
func (t *Table) Finish() {
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if !slices.Contains(t.known, key) {
			*t.err = t.section.Errorf(t.at(key), "there is no such key, only %s", strings.Join(t.known, ", "))
			return
		}
	}
}

// Done is Finish for the section itself, and returns the error, which wraps
// record.ErrInvalid.
func (t *Table) Done() error {
	t.Finish()
	return *t.err
}
