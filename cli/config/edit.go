package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/afero"
)

// Set writes a setting to HOME/config.toml. text is as on a command line: elements of a
// list are separated by commas. The rest of the file is preserved byte by byte, comments
// included; a new setting is added to its group. The home (mode 0700) and the file (mode
// 0600) are created if missing. A symbolic link is followed and kept.
//
// Elements of a list that begin with + are added to the setting in the file.
//
// The file is replaced atomically, so that readers see the old or the new file, even
// after a crash. After an error it is unchanged. The error wraps record.ErrInvalid for an
// unknown key, an invalid value, or a file that is not TOML or has no place for the
// setting. It wraps record.ErrConflict if another process keeps the file locked for more
// than two seconds. Other errors are those of the file system. Mistakes elsewhere in the
// file do not matter as long as it is TOML, and the line of the setting itself may even
// have a syntax error.
func Set(fsys afero.Fs, home, key, text string) error {
	s, ok := lookup(key)
	if !ok {
		return unknown(key, "")
	}
	v, err := s.inFile(s.parse(text))
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if err := fsys.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return rewrite(fsys, File(home), func(path string, old []byte) ([]byte, error) {
		return set(path, old, s, v)
	})
}

func set(path string, old []byte, s setting, v value) ([]byte, error) {
	doc, err := parseWithout(path, old, s.name)
	if err != nil {
		return nil, err
	}
	v = doc.adding(s, v)
	var first error
	for _, text := range doc.with(s.name, s.literal(v)) {
		err := doc.verify(text, s.name, func(after *document) error { return after.holds(s, v) })
		if err == nil {
			return text, nil
		}
		if first == nil {
			first = err
		}
	}
	// The errors of Load about the file explain the problem better.
	if problems, _ := doc.problems(path); len(problems) > 0 {
		return nil, fmt.Errorf("cannot set %s: %w", s.name, problems[0])
	}
	return nil, invalid("cannot set %s in %s: %v; edit the file by hand", s.name, path, first)
}

// Unset removes a setting and the rest of its line from HOME/config.toml, so that its
// default applies. The rest of the file is preserved, and nothing is written if the
// setting is not in the file. A key that is not a setting can be removed as well; it is
// an error if the file does not contain it. Atomicity and errors are those of Set.
func Unset(fsys afero.Fs, home, key string) error {
	_, known := lookup(key)
	_, saved := searchName(key)
	known = known && !saved // a search that was never saved is mistyped
	text, err := read(fsys, File(home))
	if err != nil {
		return err
	}
	if text == nil && known {
		return nil
	}
	if text == nil {
		return unknown(key, "")
	}
	return rewrite(fsys, File(home), func(path string, old []byte) ([]byte, error) {
		return unset(path, old, key, known)
	})
}

func unset(path string, old []byte, key string, known bool) ([]byte, error) {
	doc, err := parseWithout(path, old, key)
	if err != nil {
		return nil, err
	}
	e, ok := doc.find(key)
	switch {
	case !ok && (known || len(doc.text) < len(old)):
		return doc.text, nil
	case !ok:
		if name, saved := searchName(key); saved {
			return nil, noSearch(name, doc.searchNames())
		}
		return nil, unknown(key, "")
	case doc.lookup(e.path) == nil:
		return nil, invalid("cannot remove %s%s: it is in a list of tables; edit the file by hand",
			printable(key), doc.where(path, e.start))
	}
	text := doc.without(e)
	if err := doc.verify(text, key, func(after *document) error { return after.lacks(e) }); err != nil {
		return nil, invalid("cannot remove %s from %s: %v; edit the file by hand", printable(key), path, err)
	}
	return text, nil
}

// verify parses an edited text. It returns an error if asked rejects it, or if any other
// entry has changed.
func (d *document) verify(text []byte, name string, asked func(after *document) error) error {
	after, err := parse(text)
	if err != nil {
		return err
	}
	if !slices.Equal(d.others(name), after.others(name)) {
		return errors.New("it would change other settings")
	}
	return asked(after)
}

func (d *document) holds(s setting, want value) error {
	e, ok := d.find(s.name)
	if !ok {
		return errors.New("the setting would have no effect there")
	}
	got, err := s.fromTOML(d.lookup(e.path))
	if err == nil && !reflect.DeepEqual(got, want) {
		err = fmt.Errorf("it would read as %q", got.text)
	}
	return err
}

func (d *document) lacks(e entry) error {
	if _, ok := d.find(spell(e.path)); ok || d.lookup(e.path) != nil {
		return errors.New("it would still be there")
	}
	return nil
}

// others returns every entry except name as written in the file.
func (d *document) others(name string) []string {
	var all []string
	for _, e := range d.entries {
		if other := spell(e.path); other != name {
			all = append(all, other+"="+string(d.text[e.value:e.end]))
		}
	}
	return all
}

// adding returns the value to write if the elements of v are to be added to a list.
func (d *document) adding(s setting, v value) value {
	e, ok := d.find(s.name)
	if !ok || !v.adds() {
		return v
	}
	there, err := s.fromTOML(d.lookup(e.path))
	if err != nil {
		return v
	}
	if there.adds() {
		v.list = union(there.list, v.list)
	} else {
		v.list = union(there.list, v.added())
	}
	v.text = strings.Join(v.list, s.separator())
	return v
}

// parseWithout parses a text. If the line of the named setting is a syntax error, it is
// left out.
func parseWithout(path string, text []byte, name string) (*document, error) {
	doc, err := parse(text)
	if err == nil {
		return doc, nil
	}
	var mistake *syntaxProblem
	if !errors.As(err, &mistake) {
		return nil, inFile(path, err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if mistake.line > len(lines) {
		return nil, inFile(path, err)
	}
	rest := bytes.Join(slices.Delete(slices.Clone(lines), mistake.line-1, mistake.line), nil)
	key, _, ok := strings.Cut(string(lines[mistake.line-1]), "=")
	doc, rerr := parse(rest)
	if !ok || rerr != nil {
		return nil, inFile(path, err)
	}
	group := doc.groupAt(len(bytes.Join(lines[:mistake.line-1], nil)))
	if strings.Join(append(group, strings.TrimSpace(key)), ".") != name {
		return nil, inFile(path, err)
	}
	return doc, nil
}

// groupAt returns the path of the [table] that contains an offset.
func (d *document) groupAt(offset int) []string {
	var path []string
	for _, t := range d.tables[1:] {
		if !t.inline && t.start < offset {
			path = slices.Clone(t.path)
		}
	}
	return path
}
