package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Notes are what people say of a task afterwards. They belong to the task, not to one of its runs, and
// are stored beside the record, which stays the evidence of what happened.
type Notes struct {
	// Name is another name of the task; nil for none.
	Name *Name `json:"name,omitempty"`
	// Tags are in alphabetical order, each once.
	Tags []string `json:"tags,omitempty"`
	// Notes are in the order of their times.
	Notes []Note `json:"notes,omitempty"`
	// Restored is the time at which the task was last brought back after it was cleared; nil for
	// never.
	Restored *Time `json:"restored,omitempty"`
	// LeftOut is how many notes, tags and unknown keys merges have left out, the longest, because all
	// together were more than can be read.
	LeftOut int `json:"left_out,omitempty"`

	// Extra holds unknown keys.
	Extra map[string]json.RawMessage `json:"-"`
}

// A Name is a name that a user has given to a task.
type Name struct {
	Text string `json:"text"` // see CheckName
	At   Time   `json:"at"`
	By   string `json:"by"` // the user
}

// A Note is a remark on a task.
type Note struct {
	ID   string `json:"id"` // see NewNoteID
	At   Time   `json:"at"` // when it was written
	By   string `json:"by"` // the user
	Text string `json:"text"`
	// Edited is the time of the last change of the text; nil for never.
	Edited *Time `json:"edited,omitempty"`
}

// Limits of what one home writes. LongestNote and MostText, of all notes of a task together, are in bytes.
const (
	MostTags    = 200
	MostNotes   = 1000
	LongestNote = 64 << 10
	MostText    = 256 << 10
	longestTag  = 60 // characters, also of a name
)

// Limits of what is read, which are well above, since a merge unites the notes of several homes. A merge
// that comes to more leaves something out: see Notes.LeftOut. In bytes, their stored form is below
// MaxNotes.
const (
	MaxNotes      = 8 << 20
	mostTagsRead  = 1000
	mostNotesRead = 5000
	mostTextRead  = 3 << 20 // as JSON, with the users who have written it
	mostExtraRead = 16 << 10
	mostLeftOut   = 1 << 30 // so that a merge can count on
)

// NewNoteID returns an id for a note: the twelve last digits of a UUIDv7, which are random.
func NewNoteID() string {
	id := string(NewRunID())
	return id[len(id)-12:]
}

// IsEmpty reports whether nothing is noted. nil is empty.
func (n *Notes) IsEmpty() bool {
	return n == nil || n.Name == nil && len(n.Tags) == 0 && len(n.Notes) == 0 && n.Restored == nil && n.LeftOut == 0 && len(n.Extra) == 0
}

// Named returns the name of the task, "" for none.
func (n *Notes) Named() string {
	if n == nil || n.Name == nil {
		return ""
	}
	return n.Name.Text
}

// Tagged returns the tags of the task. They must not be changed.
func (n *Notes) Tagged() []string {
	if n == nil {
		return nil
	}
	return n.Tags
}

// Clone returns a copy that can be changed; that of nil is empty.
func (n *Notes) Clone() *Notes {
	if n == nil {
		return &Notes{}
	}
	c := *n
	c.Tags, c.Notes = slices.Clone(n.Tags), slices.Clone(n.Notes)
	return &c
}

// CheckTag checks the form of a tag: up to 60 characters, none of them white space, a comma or a
// control character, the first a letter, a digit or "_". The error wraps ErrInvalid.
func CheckTag(tag string) error {
	first, _ := utf8.DecodeRuneInString(tag)
	odd := strings.ContainsFunc(tag, func(r rune) bool { return r == ',' || unicode.IsSpace(r) || !unicode.IsGraphic(r) })
	if !utf8.ValidString(tag) || odd || utf8.RuneCountInString(tag) > longestTag || first != '_' && !unicode.IsLetter(first) && !unicode.IsDigit(first) {
		return fmt.Errorf("%w tag %.80q: a tag has up to %d characters without blanks and commas, and begins with a letter, a digit or _", ErrInvalid, tag, longestTag)
	}
	return nil
}

// CheckName checks the form of a name of a task: small letters, digits, ".", "_" and "-", the first
// a letter, and not hexadecimal digits alone, so that it cannot be the beginning of an id. The error
// wraps ErrInvalid.
func CheckName(name string) error {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	hex := func(r rune) bool { return r >= 'a' && r <= 'f' || r >= '0' && r <= '9' || r == '-' }
	switch {
	case name == "" || len(name) > longestTag || name[0] < 'a' || name[0] > 'z' || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }):
		return fmt.Errorf("%w name %.80q: a name has up to %d small letters, digits, and the characters . _ -, and begins with a letter", ErrInvalid, name, longestTag)
	case !strings.ContainsFunc(name, func(r rune) bool { return !hex(r) }):
		return fmt.Errorf("%w name %.80q: it could be the beginning of an id; add a letter after f", ErrInvalid, name)
	}
	return nil
}

// EncodeNotes returns the stored form: indented JSON with a fixed order of keys and a final newline.
// Tags and notes are sorted.
func EncodeNotes(n *Notes) ([]byte, error) {
	n = n.Clone()
	n.sort()
	var whole bytes.Buffer
	err := encodeWith(&whole, n, n.Extra)
	var b []byte
	if err == nil {
		b, err = indented(whole.Bytes())
	}
	if err != nil {
		return nil, fmt.Errorf("encode notes: %w", err)
	}
	return b, nil
}

func (n *Notes) sort() {
	slices.Sort(n.Tags)
	n.Tags = slices.Compact(n.Tags)
	slices.SortStableFunc(n.Notes, func(a, b Note) int {
		return cmp.Or(a.At.Compare(b.At.Time), strings.Compare(a.ID, b.ID))
	})
}

var (
	notesKeys  = jsonKeys(reflect.TypeFor[Notes]())
	notesShape = sync.OnceValue(func() *shape { return shapeOf(reflect.TypeFor[Notes]()) })
)

// DecodeNotes reads and checks a stored form. The error wraps ErrInvalid.
func DecodeNotes(b []byte) (*Notes, error) {
	if len(b) > MaxNotes {
		return nil, fmt.Errorf("%w notes: they have %d bytes, and at most %d are allowed", ErrInvalid, len(b), MaxNotes)
	}
	n := new(Notes)
	var top map[string]json.RawMessage
	err := json.Unmarshal(b, n)
	if err == nil {
		err = json.Unmarshal(b, &top)
	}
	if err == nil {
		err = checkSpread(b, MaxNotes)
	}
	if err == nil {
		s := keyScan{b: b}
		err = s.value(notesShape())
	}
	if err == nil {
		n.Extra = unknown(top, notesKeys)
		err = n.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w notes: %w", ErrInvalid, err)
	}
	n.sort()
	return n, nil
}

func (n *Notes) check() error {
	if n.Name != nil {
		if err := CheckName(n.Name.Text); err != nil {
			return err
		}
		if len(n.Name.By) > longestText {
			return fmt.Errorf("the user who gave the name has %d bytes", len(n.Name.By))
		}
	}
	for _, tag := range n.Tags {
		if err := CheckTag(tag); err != nil {
			return err
		}
	}
	if len(n.Tags) > mostTagsRead || len(n.Notes) > mostNotesRead || n.textSize() > mostTextRead || extraSize(n.Extra) > mostExtraRead || n.LeftOut < 0 || n.LeftOut > mostLeftOut {
		return fmt.Errorf("there are too many, or they are too long")
	}
	ids := map[string]bool{}
	for _, one := range n.Notes {
		if !isNoteID(one.ID) || ids[one.ID] || len(one.By) > longestText || len(one.Text) > LongestNote || one.Text == "" {
			return fmt.Errorf("the note %.40q: its id, user or text", one.ID)
		}
		ids[one.ID] = true
	}
	return nil
}

// textSize returns the size of all notes as JSON, about.
func (n *Notes) textSize() (size int) {
	for _, one := range n.Notes {
		size += one.size()
	}
	return size
}

// size returns the size of the text and the user as JSON, about: the rest has a bound.
func (n Note) size() int { return encodedLen([]byte(n.Text)) + encodedLen([]byte(n.By)) }

// extraSize returns the size of unknown keys, about. White space does not count: the stored form has more
// of it than another one.
func extraSize(extra map[string]json.RawMessage) (size int) {
	for key, value := range extra {
		size += len(key) + len(compacted(value))
	}
	return size
}

func isNoteID(s string) bool {
	return len(s) == 12 && !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}
