package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Param is a parameter of a run with its value, as text. Neither is empty text by itself: a value may be.
type Param struct{ Name, Value string }

// Params are the parameters of a run, each once, in the order in which the user has named them. In JSON they are an object in
// that order.
type Params []Param

// Limits of Params.
const (
	MostParams   = 200
	LongestParam = 64       // bytes of a name
	LongestValue = 4 << 10  // bytes of a value
	longestMark  = 16 << 10 // the same of a value in which markers take the place of secrets
)

// CheckParamName checks that a parameter can be called so: letters, digits and "_", and no digit first, so that the name can
// also be that of an environment variable. The error wraps ErrInvalid.
func CheckParamName(name string) error {
	if name == "" || len(name) > LongestParam || strings.Trim(name, letters+digits+"_") != "" || strings.ContainsAny(name[:1], digits) {
		return fmt.Errorf("%w name of a parameter: %.80q; at most %d letters, digits and \"_\" make one", ErrInvalid, name, LongestParam)
	}
	return nil
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// Get returns the value of a parameter. ok is false if there is none of that name.
func (p Params) Get(name string) (value string, ok bool) {
	i := slices.IndexFunc(p, func(one Param) bool { return one.Name == name })
	if i < 0 {
		return "", false
	}
	return p[i].Value, true
}

// Names returns the names.
func (p Params) Names() (names []string) {
	for _, one := range p {
		names = append(names, one.Name)
	}
	return names
}

// Values returns the values.
func (p Params) Values() (values []string) {
	for _, one := range p {
		values = append(values, one.Value)
	}
	return values
}

// MarshalJSON writes an object whose keys keep their order.
func (p Params) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i, one := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, step := range []struct {
			text  string
			after byte
		}{{one.Name, ':'}, {one.Value, 0}} {
			if err := enc.Encode(step.text); err != nil {
				return nil, err
			}
			b.Truncate(b.Len() - 1) // the newline that Encode adds
			if step.after != 0 {
				b.WriteByte(step.after)
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object of texts, and keeps the order of its keys.
func (p *Params) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t == nil {
		*p = nil // null
		return err
	} else if t != json.Delim('{') {
		return fmt.Errorf("parameters are an object, not %v", t)
	}
	var list Params
	for dec.More() {
		if len(list) == MostParams {
			return fmt.Errorf("there are more than %d parameters", MostParams)
		}
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value string
		if err := dec.Decode(&value); err != nil {
			return err
		}
		list = append(list, Param{name.(string), value}) // a key is a text
	}
	*p = list
	return nil
}

func (p Params) check() error {
	for _, one := range p {
		if err := CheckParamName(one.Name); err != nil {
			return err
		}
		if len(one.Value) > longestMark || !utf8.ValidString(one.Value) {
			return fmt.Errorf("%w value of the parameter %s: it has %d bytes", ErrInvalid, one.Name, len(one.Value))
		}
	}
	return nil
}

// A Group says which tasks were given together, as those of a sweep are, and how a task was made for it.
type Group struct {
	Name string `json:"name"`
	// Index is the number of the task's setting in its group, from 1, and Size the number of tasks that were given with it, 0 for a
	// task that was made by a change of one of them.
	Index int `json:"index"`
	Size  int `json:"size"`
	// Seed is that of the random choice of the group's settings, as a number; empty if there was none.
	Seed string `json:"seed,omitempty"`
	// Template has the words of the command before values took the place of placeholders, and Placeholder
	// is how these are written, such as "{}". Folder is the directory, likewise, if each task has one of its own.
	Template    []string `json:"template,omitempty"`
	Placeholder string   `json:"placeholder,omitempty"`
	Folder      string   `json:"folder,omitempty"`
}

// LongestGroup is how long the name of a group is at most, in bytes.
const LongestGroup = 64

// CheckGroupName checks that a group can be called so. Its name can be a part of a path, too. The error wraps ErrInvalid.
func CheckGroupName(name string) error {
	if name == "" || len(name) > LongestGroup || strings.Trim(name, letters+digits+"-_.") != "" || strings.ContainsAny(name[:1], "-.") {
		return fmt.Errorf("%w name of a group: %.80q; at most %d letters, digits, \"-\", \"_\" and \".\" make one, of which the first is a letter, a digit or \"_\"", ErrInvalid, name, LongestGroup)
	}
	return nil
}

func (g *Group) check() error {
	if g == nil {
		return nil
	}
	if err := CheckGroupName(g.Name); err != nil {
		return err
	}
	if g.Index < 0 || g.Size < 0 || int64(g.Index) > maxRun || int64(g.Size) > maxRun {
		return fmt.Errorf("%w group: the number of a task is out of range", ErrInvalid)
	}
	if len(g.Seed) > 20 || strings.Trim(g.Seed, digits) != "" || len(g.Placeholder) > longestBy || len(g.Folder) > longestMark {
		return fmt.Errorf("%w group: its seed, its placeholder or its folder", ErrInvalid)
	}
	return nil
}
