package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"qme/record"
)

// Mistakes are all mistakes in the settings, first those of the file, then those of the
// environment. Each wraps record.ErrInvalid or is an error of the file system.
type Mistakes []Mistake

// A Mistake is one mistake.
type Mistake struct {
	// setting is the affected setting, which keeps its previous value; "" if the file
	// cannot be read at all, noSetting for an entry that is not a setting.
	setting string
	err     error
}

// noSetting is the setting of a Mistake in an entry that is not a setting. No setting has
// this name.
const noSetting = "?"

// Error implements error, with a line for each mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes.
func (m Mistakes) Unwrap() []error {
	errs := make([]error, len(m))
	for i, one := range m {
		errs[i] = one.err
	}
	return errs
}

// Mistakes returns the mistakes in the settings as a Mistakes, nil if there are none.
func (c *Config) Mistakes() error {
	if len(c.mistakes) == 0 {
		return nil
	}
	return c.mistakes
}

// Instead describes the values that replace the invalid settings.
func (c *Config) Instead() string {
	var names []string
	none := false // a mistake is in an entry that is not a setting
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

// Wrong returns the mistakes in a setting or in the file as a whole, nil if there are
// none.
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

// Unread returns the error of reading the file, nil if it was read or does not exist. The
// error is also among the Mistakes.
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
