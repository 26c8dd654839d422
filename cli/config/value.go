package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A value is the value of a setting. text is its spelling in the source, with separators
// between the elements of a list. Of the other fields only the one for the kind of the
// setting is set.
type value struct {
	text     string
	on       bool
	size     int64 // bytes
	duration time.Duration
	list     []string
}

// parse parses a value from a command line or the environment. The error wraps
// record.ErrInvalid and does not name the setting.
func (s setting) parse(text string) (value, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		if s.public != nil {
			text = s.public(text)
		}
		return value{}, invalid("%q is not plain text: it holds control characters or is not UTF-8", text)
	}
	if s.kind == listKind {
		if strings.TrimSpace(text) == "" {
			return s.parseList(nil)
		}
		if s.sep == " " {
			return s.parseList(strings.Fields(text))
		}
		return s.parseList(strings.Split(text, s.separator()))
	}
	return s.parseScalar(text)
}

func (s setting) parseScalar(text string) (v value, err error) {
	if s.kind != stringKind {
		text = strings.TrimSpace(text)
	}
	v.text = text
	switch s.kind {
	case boolKind:
		v.on, err = parseBool(text)
	case sizeKind:
		v.size, err = parseSize(text)
	case durationKind:
		v.duration, err = parseDuration(text)
	}
	if err == nil && s.check != nil {
		err = s.check(text)
	}
	return v, err
}

func (s setting) parseList(elements []string) (value, error) {
	v := value{list: make([]string, 0, len(elements))}
	adds := 0
	for _, e := range elements {
		e = strings.TrimSpace(e)
		name, added := strings.CutPrefix(e, addition)
		if added {
			adds++
		}
		if name == "" || strings.Contains(e, s.separator()) {
			return value{}, invalid("%q cannot be an element of a list: it is empty or holds a %s", e, map[string]string{",": "comma", " ": `blank, for which \s stands`, ";": `semicolon, for which \x3b stands`}[s.separator()])
		}
		if s.check != nil {
			if err := s.check(name); err != nil {
				return value{}, err
			}
		}
		v.list = append(v.list, e)
	}
	v.text = strings.Join(v.list, s.separator())
	if adds > 0 && adds < len(v.list) {
		return value{}, invalid("%q is a list of which only a part begins with %s: all of them do to be added to the list that there is, or none to replace it", v.text, addition)
	}
	for _, e := range s.always {
		if adds == 0 && !slices.Contains(v.list, e) {
			return value{}, invalid("%q does not name %s, which cannot be left out", v.text, e)
		}
	}
	return v, nil
}

// addition is the prefix of list elements that are added to the previous value.
const addition = "+"

// adds reports whether the elements of a list are to be added.
func (v value) adds() bool { return len(v.list) > 0 && strings.HasPrefix(v.list[0], addition) }

// added returns the elements without the prefix.
func (v value) added() []string {
	list := make([]string, 0, len(v.list))
	for _, e := range v.list {
		list = append(list, strings.TrimPrefix(e, addition))
	}
	return list
}

// union returns list with those elements of more that it lacks.
func union(list, more []string) []string {
	list = slices.Clone(list)
	for _, e := range more {
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list
}

// inFile rejects a value that is not allowed in the file.
func (s setting) inFile(v value, err error) (value, error) {
	if err == nil && s.checkFile != nil {
		err = s.checkFile(v.text)
	}
	return v, err
}

// fromTOML converts a value of the decoder. The error is as in parse.
func (s setting) fromTOML(decoded any) (value, error) {
	switch x := decoded.(type) {
	case string:
		if s.kind != listKind {
			return s.inFile(s.parse(x))
		}
		return value{}, invalid("%q is not %s", x, s.kind.fits())
	case bool:
		if s.kind == boolKind {
			return s.parse(strconv.FormatBool(x))
		}
	case int64:
		if s.kind == sizeKind || s.kind == durationKind {
			return s.parse(strconv.FormatInt(x, 10))
		}
	case float64:
		if s.kind == durationKind {
			return s.parse(strconv.FormatFloat(x, 'f', -1, 64))
		}
	case []any:
		if s.kind == listKind {
			return s.fromArray(x)
		}
		return value{}, invalid("a list is not %s", s.kind.fits())
	case map[string]any:
		return value{}, invalid("a table is not %s", s.kind.fits())
	}
	if text := fmt.Sprint(decoded); s.kind == stringKind && s.public == nil {
		if _, err := s.inFile(s.parse(text)); err == nil {
			return value{}, invalid("%s is not %s: write %s", text, s.kind.fits(), inQuotes(s.name[strings.LastIndexByte(s.name, '.')+1:], text))
		}
	}
	return value{}, invalid("%v is not %s", decoded, s.kind.fits())
}

func (s setting) fromArray(elements []any) (value, error) {
	list := make([]string, 0, len(elements))
	for _, e := range elements {
		text, ok := e.(string)
		if !ok {
			return value{}, invalid("it has an element that is not text in quotes")
		}
		if _, err := (setting{}).parse(text); err != nil {
			return value{}, err
		}
		list = append(list, text)
	}
	return s.parseList(list)
}

// literal returns a value of the setting as TOML. Since parse rejects control characters,
// only quotes and backslashes need escaping.
func (s setting) literal(v value) string {
	quote := func(text string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
	}
	switch {
	case s.kind == listKind:
		quoted := make([]string, 0, len(v.list))
		for _, e := range v.list {
			quoted = append(quoted, quote(e))
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case s.kind == boolKind:
		return v.text
	case s.kind == sizeKind && v.text == strconv.FormatInt(v.size, 10):
		return v.text
	}
	return quote(v.text)
}
