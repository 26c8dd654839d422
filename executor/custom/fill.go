package custom

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"qme/internal/lazy"
	"qme/internal/safe"
	"qme/record"
)

// placeholder finds {name}, which stands for a value in an argument, and {{name}}, as in the
// templates of docker and kubectl, which stands for itself.
var placeholder = lazy.Regexp(`\{+[a-z][a-z0-9_]*\}+`)

// placeholders returns the names of those in an argument.
func placeholders(arg string) []string {
	var names []string
	for _, at := range placeholder().FindAllString(arg, -1) {
		if name, ok := placeholderName(at); ok {
			names = append(names, name)
		}
	}
	return names
}

func placeholderName(text string) (string, bool) {
	name := strings.Trim(text, "{}")
	return name, len(text) == len(name)+2
}

// A missingError says that a task has no value for a placeholder.
type missingError struct{ name string }

func (e *missingError) Error() string { return "nothing is known of {" + e.name + "}" }

// fill puts values into a command, each where its placeholder stands in its argument.
// Nothing of it is read by a shell, and no value becomes an option: an argument that
// begins with a value must not be empty or begin with "-". The error is a *missingError,
// or wraps record.ErrInvalid.
func fill(cmd []string, values func(name string) (string, error)) ([]string, error) {
	argv := make([]string, 0, len(cmd))
	for _, arg := range cmd {
		filled, err := fillOne(arg, values)
		if err != nil {
			return nil, err
		}
		argv = append(argv, filled)
	}
	return argv, nil
}

func fillOne(arg string, values func(name string) (string, error)) (string, error) {
	var failed error
	filled := placeholder().ReplaceAllStringFunc(arg, func(at string) string {
		name, ok := placeholderName(at)
		if !ok || failed != nil {
			return at
		}
		value, err := values(name)
		failed = err
		return value
	})
	if failed != nil {
		return "", failed
	}
	if at := placeholder().FindStringIndex(arg); at != nil && at[0] == 0 && filled != arg && (filled == "" || filled[0] == '-') {
		return "", fmt.Errorf("\"%s\" would be an option, and not a value, in place of %s: %w", safe.Line(filled), arg, record.ErrInvalid)
	}
	return filled, nil
}

// values returns the values of placeholders in commands about a task. Records are shared, so
// a value counts only if the section itself could have found it.
func (c *compiled) values(rec *record.Record) func(name string) (string, error) {
	var found map[string]string
	return func(name string) (string, error) {
		switch name {
		case "uid":
			return string(rec.UID), nil
		case "pwd":
			return directory(rec)
		}
		if rec.Data.Job != nil {
			return c.checked(name, fieldOf(rec.Data.Job, name))
		}
		if found == nil { // a task without a job: from the output of its command
			found = c.submitted.find(printed(rec), "")
		}
		return c.checked(name, found[name])
	}
}

func directory(rec *record.Record) (string, error) {
	if dir := rec.Data.PWD; filepath.IsAbs(dir) && harmless(dir) {
		return dir, nil
	}
	return "", fmt.Errorf("its directory \"%s\" is not one: %w", safe.Line(rec.Data.PWD), record.ErrInvalid)
}

// checked returns a value that a record gives for a field, if it is one.
func (c *compiled) checked(name, value string) (string, error) {
	if value == "" {
		return "", &missingError{name}
	}
	fits := c.submitted.fits(name, value)
	for _, a := range c.asked {
		fits = fits || a.captures.fits(name, value)
	}
	if !fits || !harmless(value) {
		return "", fmt.Errorf("its %s, \"%s\", is none that capture could have found: %w", name, safe.Line(value), record.ErrInvalid)
	}
	return value, nil
}

// harmless reports whether a value can be shown and be an argument of a program.
func harmless(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
}
