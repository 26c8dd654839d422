package config

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"qme/internal/near"
)

// Load reads the settings: the defaults, overridden by HOME/config.toml if that exists,
// overridden by the variables in environ ("NAME=VALUE", as from os.Environ). It writes
// nothing. A home without a file has the default settings.
//
// The file must be TOML, and contain only settings with valid values; sections of
// executors are not checked (see Sections). Variables of settings must be valid, too;
// others, even with the prefix QME_, are ignored (see Mistyped). If there are mistakes,
// the error is a Mistakes and the Config is nil. Programs in a file that another user
// could have written are left out (see Refused).
func Load(fsys afero.Fs, home string, environ []string) (*Config, error) {
	c := Read(fsys, home, environ)
	if len(c.mistakes) > 0 {
		return nil, c.mistakes
	}
	return c, nil
}

// Read is like Load, but ignores invalid settings and reports them in Mistakes.
func Read(fsys afero.Fs, home string, environ []string) *Config {
	c := &Config{found: make(map[string]found, len(settings))}
	for _, s := range settings {
		v, err := s.parse(s.def)
		if err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", s.name, err))
		}
		c.found[s.name] = found{setting: s, value: v, source: FromDefault}
	}
	c.readFile(fsys, File(home))
	c.distrust(fsys, home)
	c.readEnvironment(environ)
	return c
}

func (c *Config) readFile(fsys afero.Fs, path string) {
	text, err := read(fsys, path)
	if err != nil {
		c.wrong("", err)
		return
	}
	c.readText(path, text)
}

func (c *Config) readText(path string, text []byte) {
	doc, err := parse(text)
	if err != nil {
		c.wrong("", inFile(path, err))
		return
	}
	problems, tables := doc.problems(path)
	for _, err := range problems {
		c.wrong(noSetting, err)
	}
	for _, e := range doc.entries {
		s, ok := lookup(spell(e.path))
		if isSection(e.path) || !ok || tables[e.table] {
			continue
		}
		v, err := s.fromTOML(doc.lookup(e.path))
		if err != nil {
			affected := s.name
			if _, saved := searchName(s.name); saved {
				affected = noSetting // no default applies instead
			}
			c.wrong(affected, fmt.Errorf("%s%s: %w", s.name, doc.where(path, e.start), err))
			continue
		}
		c.take(s, v, FromFile, path)
	}
	c.sections, c.keys = doc.sections(path), func() []Setting { return doc.sectionKeys(path) }
}

// take sets a setting. Elements of a list that begin with + are added to its previous
// value.
func (c *Config) take(s setting, v value, from Source, where string) {
	if v.adds() {
		v.list = union(c.found[s.name].value.list, v.added())
	}
	c.found[s.name] = found{setting: s, value: v, source: from, where: where}
}

// read returns the content of the file, nil if it does not exist.
func read(fsys afero.Fs, path string) ([]byte, error) {
	text, err := afero.ReadFile(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return text, nil
}

func (c *Config) readEnvironment(environ []string) {
	byVariable := make(map[string]setting, len(settings))
	for s := range withVariable {
		byVariable[s.variable()] = s
		if s.alias != "" {
			byVariable[s.alias] = s
		}
	}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		s, ok := byVariable[name]
		if !ok || name == s.alias && c.found[s.name].where == s.variable() {
			continue
		}
		v, err := s.parse(text)
		if err != nil {
			c.wrong(s.name, fmt.Errorf("environment variable %s: %w", name, err))
			continue
		}
		c.take(s, v, FromEnvironment, name)
	}
}

// Mistyped yields the variables of environ that have the prefix QME_ and resemble a
// variable of qme, with the variable that was probably meant. others are the variables of
// qme that are not settings.
func Mistyped(environ []string, others ...string) iter.Seq2[string, string] {
	return func(yield func(name, meant string) bool) {
		for _, pair := range environ {
			if !strings.HasPrefix(pair, VariablePrefix) {
				continue
			}
			known := slices.Clone(others)
			for s := range withVariable {
				known = append(known, s.variable())
				if s.alias != "" {
					known = append(known, s.alias)
				}
			}
			name, _, _ := strings.Cut(pair, "=")
			if meant := nearestVariable(name, known); meant != "" && !yield(name, meant) {
				return
			}
		}
	}
}

// nearestVariable returns the most similar known variable; "" if none is similar or name
// is known itself.
func nearestVariable(name string, known []string) string {
	bare := make([]string, 0, len(known))
	for _, k := range known {
		if k == name {
			return ""
		}
		bare = append(bare, strings.TrimPrefix(k, VariablePrefix))
	}
	// Compare without the correct prefix, which would hide the number of mistakes.
	meant := near.Best(strings.TrimPrefix(name, VariablePrefix), bare)
	if meant == "" {
		return ""
	}
	return VariablePrefix + meant
}

// VariablePrefix is the prefix of every variable of qme.
const VariablePrefix = "QME_"

// A Variable is an environment variable that qme reads.
type Variable struct {
	Name   string
	Secret bool // the value may be secret
}

// Variables returns the variables of the settings.
func Variables() []Variable {
	var all []Variable
	for s := range withVariable {
		all = append(all, Variable{s.variable(), s.public != nil})
		if s.alias != "" {
			all = append(all, Variable{s.alias, s.public != nil})
		}
	}
	return all
}

// withVariable yields the settings that the environment can set.
func withVariable(yield func(setting) bool) {
	for _, s := range settings {
		if !s.fileOnly && !yield(s) {
			return
		}
	}
}

// variable returns the environment variable of the setting, which does not count if it is fileOnly.
func (s setting) variable() string {
	return VariablePrefix + strings.ToUpper(strings.ReplaceAll(s.name, ".", "_"))
}
