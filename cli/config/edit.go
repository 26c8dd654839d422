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

// Set writes a setting into HOME/config.toml, given as on a command line: a list
// with commas between its elements. The rest of the file stays as it is to the
// byte, comments included; a setting that is new goes where its group stands.
// The home (mode 0700) and the file (mode 0600) are made when missing. A file that
// is a symbolic link stays one.
//
// The file is replaced in one step: whoever reads it, also after a crash, finds
// the old or the new one. When there is an error it is the old one:
// record.ErrInvalid for an unknown key, a value that does not fit, or a file that
// is not TOML or leaves no place for the setting, record.ErrConflict when another
// process edits it for more than two seconds, and what the file system says. Mistakes elsewhere in the file
// do not keep a setting from being set, unless it is not TOML there; in the line of the setting itself it need not be.
//
// Elements of a list that begin with + are added to what the file has of the setting.
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
	// What Load has to say about the file is the better explanation.
	if problems, _ := doc.problems(path); len(problems) > 0 {
		return nil, fmt.Errorf("cannot set %s: %w", s.name, problems[0])
	}
	return nil, invalid("cannot set %s in %s: %v; edit the file by hand", s.name, path, first)
}

// Unset removes a setting from HOME/config.toml, with the rest of its line, so
// that its default applies. The rest of the file stays as it is, and nothing is
// written when the setting is not in it. A key that is no setting can be
// removed too, as the file may hold one by mistake; when it does not, that is an
// error. Atomicity and errors are those of Set.
func Unset(fsys afero.Fs, home, key string) error {
	_, known := lookup(key)
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

// verify parses an edited text again, and says what is wrong when it does not
// hold what was asked, or when anything else in it is not as it was.
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

// others lists every entry but those of one name, each with its value as it is
// written.
func (d *document) others(name string) []string {
	var all []string
	for _, e := range d.entries {
		if other := spell(e.path); other != name {
			all = append(all, other+"="+string(d.text[e.value:e.end]))
		}
	}
	return all
}

// adding returns the value to be written of one whose elements are to be added.
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
	v.text = strings.Join(v.list, ",")
	return v
}

// parseWithout is parse of a text in which the line of one setting may be no TOML: then
// it is left out.
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

// groupAt returns the path of the [table] in which what is at an offset stands.
func (d *document) groupAt(offset int) []string {
	var path []string
	for _, t := range d.tables[1:] {
		if !t.inline && t.start < offset {
			path = slices.Clone(t.path)
		}
	}
	return path
}
