package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"
)

// encoding/json accepts "CMD" for "cmd", and takes the last of two equal keys. Other readers of
// the same record, such as jq, do not, and would show another command than the one that is run.
// So a stored record must have each key once, and known keys in their exact spelling.

// A shape describes the known keys of an object: the number of each key and the shape of its
// value. A nil shape allows any keys, as in a map.
type shape struct {
	known map[string]field
}

type field struct {
	number uint
	value  *shape
}

var recordShape = sync.OnceValue(func() *shape { return shapeOf(reflect.TypeFor[Record]()) })

// shapeOf returns the shape of objects of type t, or of its elements.
func shapeOf(t reflect.Type) *shape {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return shapeOf(t.Elem())
	case reflect.Struct:
		s := &shape{map[string]field{}}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name != "" && name != "-" {
				s.known[name] = field{uint(len(s.known)), shapeOf(t.Field(i).Type)}
			}
		}
		return s
	}
	return nil
}

// checkKeys checks the keys of a record that is valid JSON. The error wraps ErrInvalid.
func checkKeys(b []byte) error {
	s := keyScan{b: b}
	return s.value(recordShape())
}

// A keyScan reads valid JSON from offset i and looks only at keys.
type keyScan struct {
	b []byte
	i int
}

// next advances to the next byte that is not white space, and returns it.
func (s *keyScan) next() byte {
	for ; s.i < len(s.b); s.i++ {
		if c := s.b[s.i]; c > ' ' {
			return c
		}
	}
	return 0
}

func (s *keyScan) value(sh *shape) error {
	switch s.next() {
	case '{':
		return s.object(sh)
	case '[':
		return s.array(sh)
	case '"':
		s.text()
	default: // a number, true, false or null
		for ; s.i < len(s.b); s.i++ {
			if c := s.b[s.i]; c == ',' || c == ']' || c == '}' || c <= ' ' {
				break
			}
		}
	}
	return nil
}

func (s *keyScan) array(sh *shape) error {
	for s.i++; s.next() != ']'; {
		if err := s.value(sh); err != nil {
			return err
		}
		if s.next() == ',' {
			s.i++
		}
	}
	s.i++
	return nil
}

func (s *keyScan) object(sh *shape) error {
	var seen uint64
	var others keySet
	for s.i++; s.next() != '}'; {
		key := s.key()
		var f field
		known := false
		if sh != nil {
			f, known = sh.known[string(key)]
		}
		switch {
		case known && seen&(1<<f.number) != 0 || others.has(key):
			return fmt.Errorf("%w record: the key %q occurs twice", ErrInvalid, key)
		case known:
			seen |= 1 << f.number
		default:
			if name := sh.like(string(key)); name != "" {
				return fmt.Errorf("%w record: the key %q is not spelled %q", ErrInvalid, key, name)
			}
			others.add(key)
		}
		s.next() // the colon
		s.i++
		if err := s.value(f.value); err != nil {
			return err
		}
		if s.next() == ',' {
			s.i++
		}
	}
	s.i++
	return nil
}

// like returns the known key that equals key except for its case, by the rules of
// encoding/json, or "".
func (sh *shape) like(key string) string {
	if sh != nil {
		for name := range sh.known {
			if strings.EqualFold(name, key) {
				return name
			}
		}
	}
	return ""
}

// key reads a key as encoding/json does.
func (s *keyScan) key() []byte {
	from := s.i
	plain := s.text()
	if bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return plain
	}
	var key string
	if json.Unmarshal(s.b[from:s.i], &key) != nil {
		return plain // cannot happen: a valid key can be read
	}
	return []byte(key)
}

// text returns a string without its quotes and with its escapes, and advances past it.
func (s *keyScan) text() []byte {
	from := s.i
	for s.i++; ; s.i++ {
		at := bytes.IndexByte(s.b[s.i:], '"')
		s.i += at
		slashes := 0
		for s.b[s.i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			break
		}
	}
	s.i++
	return s.b[from+1 : s.i-1]
}

// A keySet is a set of keys, optimized for few keys.
type keySet struct {
	few  [][]byte
	many map[string]bool
}

const fewKeys = 8

func (k *keySet) has(key []byte) bool {
	if k.many != nil {
		return k.many[string(key)]
	}
	for _, other := range k.few {
		if bytes.Equal(other, key) {
			return true
		}
	}
	return false
}

func (k *keySet) add(key []byte) {
	if k.many == nil && len(k.few) < fewKeys {
		k.few = append(k.few, key)
		return
	}
	if k.many == nil {
		k.many = map[string]bool{}
		for _, other := range k.few {
			k.many[string(other)] = true
		}
	}
	k.many[string(key)] = true
}
