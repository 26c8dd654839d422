// Package config holds the settings of qme: what there is to set, and how it is
// read from HOME/config.toml and the environment and edited in the file.
//
// The environment overrides the file, which overrides the defaults. The variable
// of a setting is its name in upper case with underscores for dots and QME_ in
// front: QME_RUN_KEEP sets run.keep. Flags are the command line's business.
//
// A size is a number of bytes or carries a unit (B, KB to TB in powers of 1000,
// KiB to TiB in powers of 1024), a duration is as package span reads it (200ms, 5s,
// 1h30m, 1d), and a list is an array of strings in the file and separated by commas elsewhere.
package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/executor/section"
)

// File returns the path of the file that holds the settings.
func File(home string) string { return filepath.Join(home, "config.toml") }

// Source says where a value comes from.
type Source string

// The values of Source.
const (
	FromDefault     Source = "default"
	FromFile        Source = "file"
	FromEnvironment Source = "environment"
)

// A Setting is what one setting is set to, for listings. The JSON keys are stable.
type Setting struct {
	Name string `json:"name"`
	// Value is spelled as its source spells it, without passwords; a list is joined
	// with commas. Set takes it as it is.
	Value  string `json:"value"`
	Source Source `json:"source"`
	// Where is the path of the file or the name of the variable that the value
	// comes from, empty for a default.
	Where   string `json:"where,omitempty"`
	Default string `json:"default"`
	// Effective is the list that applies, of one whose value is added to another.
	Effective   []string `json:"effective,omitempty"`
	Description string   `json:"description"`
}

// A Config is the settings as Load found them. It does not change and may be used
// by several goroutines at once.
//
// The getters panic when there is no setting of that name and type: that is a
// mistake in the program, not in its input.
type Config struct {
	found    map[string]found
	sections []section.Section
	keys     func() []Setting // lists what is in the sections; nil for nothing
	mistakes Mistakes
	refused  string // see Refused
}

// found is a value with where it was found.
type found struct {
	setting setting
	value   value
	source  Source
	where   string
}

// Size returns a setting that is a size, in bytes; it is never negative.
func (c *Config) Size(name string) int64 { return c.get(name, sizeKind).size }

// DefaultSize returns the default of a setting that is a size, in bytes: what a home has
// whose user has set nothing.
func DefaultSize(name string) int64 {
	s, ok := lookup(name)
	n, err := parseSize(s.def)
	if !ok || err != nil {
		panic("no setting " + name + " that is a size") // a mistake in this program
	}
	return n
}

// Duration returns a setting that is a duration; it is never negative.
func (c *Config) Duration(name string) time.Duration { return c.get(name, durationKind).duration }

// Bool returns a setting that is true or false.
func (c *Config) Bool(name string) bool { return c.get(name, boolKind).on }

// String returns a setting that is a string.
func (c *Config) String(name string) string { return c.get(name, stringKind).text }

// List returns a setting that is a list. The slice is the caller's; it may be
// empty, and no element is.
func (c *Config) List(name string) []string { return slices.Clone(c.get(name, listKind).list) }

func (c *Config) get(name string, k kind) value {
	f, ok := c.found[name]
	if !ok || f.setting.kind != k {
		panic(fmt.Sprintf("config: no setting %s of type %s", name, k))
	}
	return f.value
}

// public is the value as it may be shown.
func (f found) public() string {
	if f.setting.public == nil {
		return f.value.text
	}
	return f.setting.public(f.value.text)
}

// All returns every setting, with those in sections of executors, sorted by name.
func (c *Config) All() []Setting {
	var all []Setting
	if c.keys != nil {
		all = c.keys()
	}
	for _, f := range c.found {
		var effective []string
		if strings.HasPrefix(f.value.text, addition) && f.setting.kind == listKind {
			effective = slices.Clone(f.value.list)
		}
		all = append(all, Setting{
			Effective: effective, Name: f.setting.name, Value: f.public(), Source: f.source, Where: f.where,
			Default: f.setting.def, Description: f.setting.description,
		})
	}
	slices.SortFunc(all, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return all
}
