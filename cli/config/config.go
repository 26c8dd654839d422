// Package config holds the settings of qme. It reads them from HOME/config.toml and the
// environment, and edits the file.
//
// The environment overrides the file, which overrides the defaults. The variable of a
// setting is its name in upper case with underscores for dots and the prefix QME_:
// QME_RUN_KEEP sets run.keep. Those of notify have none. Flags are left to the command line.
//
// A size is a number of bytes, or has a unit (B, KB to TB in powers of 1000, KiB to TiB
// in powers of 1024). A duration is as in package span (200ms, 5s, 1h30m, 1d). A list is
// an array of strings in the file; elsewhere its elements are separated by commas.
package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/executor/section"
)

// File returns the path of the settings file of a home.
func File(home string) string { return filepath.Join(home, "config.toml") }

// Source is the origin of a value.
type Source string

// The values of Source.
const (
	FromDefault     Source = "default"
	FromFile        Source = "file"
	FromEnvironment Source = "environment"
)

// A Setting is a setting with its value, for listings. The JSON keys are stable.
type Setting struct {
	Name string `json:"name"`
	// Value is spelled as in its source, without passwords; the elements of a list are
	// separated by commas. Set accepts it unchanged.
	Value  string `json:"value"`
	Source Source `json:"source"`
	// Where is the path of the file or the name of the variable, empty for a default.
	Where   string `json:"where,omitempty"`
	Default string `json:"default"`
	// Effective is the resulting list if the value is added to another list.
	Effective   []string `json:"effective,omitempty"`
	Description string   `json:"description"`
}

// A Config holds the settings as Load found them. It is immutable and safe for concurrent
// use.
//
// The getters panic if there is no setting of that name and type, which is a bug in the
// program.
type Config struct {
	found    map[string]found
	sections []section.Section
	keys     func() []Setting // lists the settings in sections; nil if there are none
	mistakes Mistakes
	refused  string // see Refused
}

// found is a value with its origin.
type found struct {
	setting setting
	value   value
	source  Source
	where   string
}

// Size returns a size setting in bytes; it is never negative.
func (c *Config) Size(name string) int64 { return c.get(name, sizeKind).size }

// DefaultSize returns the default of a size setting in bytes, which applies in a home
// without settings of its own.
func DefaultSize(name string) int64 {
	s, ok := lookup(name)
	n, err := parseSize(s.def)
	if !ok || err != nil {
		panic("no setting " + name + " that is a size") // a bug in this program
	}
	return n
}

// Duration returns a duration setting; it is never negative.
func (c *Config) Duration(name string) time.Duration { return c.get(name, durationKind).duration }

// Bool returns a boolean setting.
func (c *Config) Bool(name string) bool { return c.get(name, boolKind).on }

// String returns a string setting.
func (c *Config) String(name string) string { return c.get(name, stringKind).text }

// List returns a list setting. The slice belongs to the caller; it may be empty, but its
// elements are not.
func (c *Config) List(name string) []string { return slices.Clone(c.get(name, listKind).list) }

func (c *Config) get(name string, k kind) value {
	f, ok := c.found[name]
	if !ok || f.setting.kind != k {
		panic(fmt.Sprintf("config: no setting %s of type %s", name, k))
	}
	return f.value
}

// public returns the value without secrets.
func (f found) public() string {
	if f.setting.public == nil {
		return f.value.text
	}
	return f.setting.public(f.value.text)
}

// All returns every setting, including those in sections of executors, sorted by name.
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
