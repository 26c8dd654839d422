// Package mask takes the values of secrets out of what is recorded: the values of environment
// variables whose names say that they are secret, and what matches patterns of the user. In
// their place stands a marker, [masked:NAME], that says which secret it was.
//
// A value is found as it is, without blanks around it, and in the forms in which it often
// appears: URL-encoded, in base64 by itself, as in JSON, within quotes of a shell, and each long
// line of a value of several lines. It is not found in any other form, such as compressed, in
// hexadecimal, in base64 together with other text before it, or with a line break or colours in it.
package mask

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Options say what a Set masks.
type Options struct {
	// Environ is the environment whose values are masked, as NAME=value.
	Environ []string
	// Names are patterns of the names of variables with secrets. * and ? match any text and any
	// character; ! before a pattern excludes names.
	Names []string
	// Patterns are regular expressions of RE2 for what is masked besides. They are matched within
	// lines.
	Patterns []string
}

// A Secret is the value of a variable, or of what matched a pattern.
type Secret struct {
	Name, Value string
	form        string // "": the whole value of the variable, in any form
}

// A Set is what is masked in a run. nil masks nothing. It does not change, and is safe for
// concurrent use.
type Set struct {
	environ  []string
	globs    names
	secrets  []Secret
	named    map[string]bool // variables whose names say that they hold a secret, also a short one
	search   *search         // nil: no values to look for
	patterns []*regexp.Regexp
	known    map[string]bool // all names that markers of this set can have
}

// New returns the set for options. Names of which a pattern cannot be read name nothing. The error
// is that of a pattern which Check refuses.
func New(o Options) (*Set, error) {
	s := &Set{environ: o.Environ, globs: parseNames(o.Names), named: map[string]bool{}}
	judged := sync.OnceValue(func() *judge { return newJudge(o.Environ) })
	for _, kv := range o.Environ {
		name, value, _ := strings.Cut(kv, "=")
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		if s.globs.match(name) {
			s.named[name] = !judged().isPath(value)
			if judged().secret(value) {
				s.secrets = append(s.secrets, Secret{Name: label(name), Value: value})
			}
		}
		if part := urlPassword(value); part != "" && s.globs.parts(name) && judged().secret(part) {
			s.secrets = append(s.secrets, Secret{Name: label(name), Value: part, form: passwordForm})
		}
	}
	for _, p := range o.Patterns {
		re, err := compile(p)
		if err != nil {
			return nil, err
		}
		s.patterns = append(s.patterns, re)
	}
	s.prepare()
	return s, nil
}

// Empty reports whether nothing is masked.
func (s *Set) Empty() bool {
	return s == nil || s.search == nil && len(s.patterns) == 0 && len(s.named) == 0
}

// ForCommand returns a set that also masks what the words of a command assign to variables with
// the names of secrets, as in "env DB_PASSWORD=VALUE PROGRAM", and in a line for a shell.
func (s *Set) ForCommand(words []string) *Set {
	if s == nil {
		return nil
	}
	var more []Secret
	var j *judge
	for _, a := range assignments(words) {
		if !s.globs.match(a.Name) {
			continue
		}
		if j == nil {
			j = newJudge(s.environ)
		}
		if j.secret(a.Value) {
			more = append(more, Secret{Name: label(a.Name), Value: a.Value})
		}
	}
	if len(more) == 0 {
		return s
	}
	return s.With(more...)
}

// With returns a set that also masks other secrets, of which values that are too short are left
// out. s may be nil.
func (s *Set) With(more ...Secret) *Set {
	next := &Set{named: map[string]bool{}}
	if s != nil {
		*next = *s
	}
	next.secrets = slices.Clone(next.secrets)
	for _, m := range more {
		if m.Value = strings.TrimSpace(m.Value); len(m.Value) >= shortest {
			next.secrets = append(next.secrets, m)
		}
	}
	next.prepare()
	return next
}

// prepare makes the search from the secrets. Of secrets with the same value the first name counts.
func (s *Set) prepare() {
	secrets := slices.Clone(s.secrets)
	slices.SortStableFunc(secrets, func(a, b Secret) int { return strings.Compare(a.Name, b.Name) })
	s.known = map[string]bool{}
	seen := map[string]bool{}
	var needles []needle
	all := make([][]form, len(secrets))
	add := func(name string, f form) {
		if !seen[f.text] && len(f.text) >= shortest {
			seen[f.text] = true
			needles = append(needles, newNeedle(f.text, name, f.name))
		}
	}
	for i, secret := range secrets { // values before other forms of other values
		s.known[secret.Name] = true
		if all[i] = []form{{secret.form, secret.Value}}; secret.form == "" {
			all[i] = forms(secret.Value)
		}
		add(secret.Name, all[i][0])
	}
	for i, secret := range secrets {
		for _, f := range all[i][1:] {
			add(secret.Name, f)
		}
	}
	for name := range s.named {
		s.known[label(name)] = true
	}
	for i := range s.patterns {
		s.known[patternName(i)] = true
	}
	s.search = newSearch(needles)
}

// Variable returns what is recorded as the value of a variable. The whole value of one with the
// name of a secret is masked, however short it is.
func (s *Set) Variable(name, value string, counts Counts) string {
	if s == nil || !s.named[name] {
		return s.Text(value, counts)
	}
	if value == "" {
		return value
	}
	counts[label(name)]++
	return marker(label(name), "")
}

// Text returns text with its secrets masked, and adds to counts.
func (s *Set) Text(text string, counts Counts) string {
	if s == nil || text == "" {
		return text
	}
	return string(s.Bytes([]byte(text), counts))
}

// Bytes is Text for bytes of any kind, which it does not change. The result may share memory
// with b.
func (s *Set) Bytes(b []byte, counts Counts) []byte {
	if s == nil || len(b) == 0 {
		return b
	}
	if s.search != nil {
		b = s.values(b, counts)
	}
	if len(s.patterns) == 0 {
		return b
	}
	var out bytes.Buffer
	w := &patternWriter{set: s, to: &out, counts: counts}
	_, _ = w.Write(b) // a bytes.Buffer has no errors
	_ = w.close()
	return out.Bytes()
}

// values masks the values in a whole text.
func (s *Set) values(b []byte, counts Counts) []byte {
	_, out := s.search.replace(nil, b, len(b), true, counts)
	if out == nil {
		return b
	}
	return out
}

// Words masks the words of a command line. Patterns are matched with a blank between words, so
// that one can match an option with its value; the part in each word is masked.
func (s *Set) Words(words []string, counts Counts) []string {
	if s == nil {
		return words
	}
	masked := make([]string, len(words))
	for i, w := range words {
		masked[i] = w
		if s.search != nil {
			masked[i] = string(s.values([]byte(w), counts))
		}
	}
	if len(s.patterns) == 0 {
		return masked
	}
	return s.matchWords(masked, counts)
}
