package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qme/record"
)

// Mistakes are all that is wrong with the settings, in the order of the file, then of the
// environment. Each wraps record.ErrInvalid, or is of the file system.
type Mistakes []Mistake

// A Mistake is one that is wrong.
type Mistake struct {
	// setting has its default, or what the file says; "" when the file cannot be read
	// at all, noSetting when it is no setting.
	setting string
	err     error
}

// noSetting is the setting of a Mistake in what is none. No setting is called so.
const noSetting = "?"

// Error implements error: a line for each.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each.
func (m Mistakes) Unwrap() []error {
	errs := make([]error, len(m))
	for i, one := range m {
		errs[i] = one.err
	}
	return errs
}

// Mistakes returns what is wrong with the settings, nil when nothing is.
func (c *Config) Mistakes() error {
	if len(c.mistakes) == 0 {
		return nil
	}
	return c.mistakes
}

// Instead says what applies in place of what is wrong with the settings.
func (c *Config) Instead() string {
	var names []string
	none := false // of what is wrong is a setting
	for _, m := range c.mistakes {
		switch {
		case m.setting == "":
			return "The default settings apply instead."
		case m.setting == noSetting:
			none = true
		case !slices.Contains(names, m.setting):
			names = append(names, m.setting)
		}
	}
	var lines []string
	for _, name := range names {
		if f := c.found[name]; f.source == FromDefault {
			lines = append(lines, "The default of "+name+" applies instead.")
		} else {
			lines = append(lines, fmt.Sprintf("What %s says of %s applies instead.", f.where, name))
		}
	}
	if none {
		lines = append(lines, "What is no setting is left out.")
	}
	return strings.Join(lines, " ")
}

// Wrong returns what keeps a setting from being known: a mistake in its value, or in the
// file as a whole. It returns nil when there is none.
func (c *Config) Wrong(name string) error {
	var found Mistakes
	for _, m := range c.mistakes {
		if m.setting == "" || m.setting == name {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

// Unread returns why the file could not be read, nil when it could or there is none. It is
// one of the Mistakes.
func (c *Config) Unread() error {
	for _, m := range c.mistakes {
		if !errors.Is(m.err, record.ErrInvalid) {
			return m.err
		}
	}
	return nil
}

func (c *Config) wrong(setting string, err error) {
	c.mistakes = append(c.mistakes, Mistake{setting, err})
}
